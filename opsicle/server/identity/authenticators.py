"""Authenticator apps: enrolling one, and whether a code is right.

A code is used up by an UPDATE that only a newer step passes, in the transaction of what it allows:
of two who use the same code at once, one is let through (RFC 6238, 5.2). Wrong codes count like
wrong passwords.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, OpsicleError, required
from opsicle.kit.clock import Clock
from opsicle.security import totp
from opsicle.security.sealing import Seal
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.identity.login_throttle import LoginThrottle
from opsicle.server.store import audit, authenticators, login_attempts, sessions
from opsicle.server.store.authenticators import AuthenticatorRow
from opsicle.server.store.database import Connection, Database
from opsicle.wire.identity_api import NewTotp, RecoveryCodes, TotpStatus

T = TypeVar("T")


class Authenticators:
    """People's own apps and recovery codes."""

    def __init__(
        self, database: Database, seal: Seal, throttle: LoginThrottle, clock: Clock
    ) -> None:
        self._database = database
        self._seal = seal
        self._throttle = throttle
        self._clock = clock

    def status(self, actor: Actor) -> TotpStatus:
        """Return whether the caller has an app, and how many recovery codes."""
        actor.require(Action.ACCOUNT_USE)

        def query(db: Connection) -> TotpStatus:
            row = authenticators.find(db, actor.user_id)
            confirmed_at = row.confirmed_at if row else None
            left = authenticators.count_recovery_codes(db, actor.user_id)
            return TotpStatus(
                is_enrolled=confirmed_at is not None,
                confirmed_at=confirmed_at,
                recovery_codes_left=left,
            )

        return self._database.read(query)

    def begin(self, actor: Actor) -> NewTotp:
        """Begin an enrolment; it changes nothing until it is confirmed.

        Raises Conflict if the caller has an app.
        """
        _require_session(actor)
        seed = totp.new_seed()
        sealed = self._seal.close(seed, context_of(actor.user_id))

        def work(db: Connection) -> None:
            if not authenticators.put_unconfirmed(db, actor.user_id, sealed, self._clock.now()):
                raise _enrolled_already()

        self._database.write(work)
        uri = totp.provisioning_uri(seed, actor.email, f"Opsicle {actor.org_code}")
        import segno  # with what it draws on, a megabyte that a server at rest does not need

        rows = segno.make_qr(uri, error="m").matrix
        return NewTotp(
            secret=totp.seed_text(seed),
            uri=uri,
            qr=[[bool(module) for module in row] for row in rows],
        )

    def confirm(self, actor: Actor, text: str) -> RecoveryCodes:
        """Make the app count, with one code of it.

        The answer is the only time that the recovery codes are shown.

        Raises InvalidInput for a wrong code; Conflict if no enrolment has begun, or it was
        confirmed before.
        """
        _require_session(actor)

        def work(db: Connection) -> RecoveryCodes:
            now = self._clock.now()
            row = authenticators.find(db, actor.user_id)
            if row is None:
                raise Conflict(
                    "no enrolment has begun", hint="Begin one, and add its secret to the app."
                )

            step = required(self._step(row, totp.normalised(text)), wrong_code())
            if not authenticators.confirm(db, actor.user_id, step, now):
                raise _enrolled_already()

            sessions.note_step_up(db, actor.session_id, now)
            audit.append(db, now, actor.org_id, actor, "enrol_totp", f"users/{actor.user_id}")
            return _new_recovery_codes(db, actor.user_id)

        return self._database.write(work)

    def renew_recovery_codes(self, actor: Actor, text: str) -> RecoveryCodes:
        """Make new recovery codes in the place of all old ones. Raises as `prove`."""
        _require_session(actor)

        def work(db: Connection) -> RecoveryCodes:
            now = self._clock.now()
            audit.append(
                db, now, actor.org_id, actor, "renew_recovery_codes", f"users/{actor.user_id}"
            )
            return _new_recovery_codes(db, actor.user_id)

        return self.prove(actor, text, work)

    def disable(self, actor: Actor, text: str) -> None:
        """Take the caller's app away; logging in needs the password alone from now on.

        Raises as `prove`.
        """
        _require_session(actor)

        def work(db: Connection) -> None:
            authenticators.delete(db, actor.user_id)
            audit.append(
                db, self._clock.now(), actor.org_id, actor, "disable_totp", f"users/{actor.user_id}"
            )

        self.prove(actor, text, work)

    def prove(self, actor: Actor, text: str, then: Callable[[Connection], T]) -> T:
        """Use up a code of the caller's, and do in the same transaction what it allows.

        Raises Conflict if they have no app, InvalidInput for a wrong or used code, TooManyRequests
        after too many.
        """
        if not self._database.read(lambda db: authenticators.is_confirmed(db, actor.user_id)):
            raise Conflict("you have no authenticator app", hint="Enrol one: `opsicle totp enrol`.")
        attempt = self._throttle.begin(actor.email, actor.address)
        is_good = False

        def work(db: Connection) -> T:
            nonlocal is_good
            if not self.use_code(db, actor.user_id, text):
                raise wrong_code()
            is_good = True
            login_attempts.delete(db, attempt)
            return then(db)

        try:
            return self._database.write(work)
        except OpsicleError as error:
            if (
                is_good
            ):  # what it was to allow is refused for another reason, and the code is still good
                self._database.write(lambda db: login_attempts.delete(db, attempt))
            elif isinstance(error, InvalidInput):
                self._record_refusal(actor)
            raise

    def use_code(self, db: Connection, user_id: str, text: str) -> bool:
        """Use up a code of a person's app, or a recovery code.

        False if it is wrong or was used before.
        """
        given = totp.normalised(text)
        if not totp.is_code(given):
            return authenticators.use_recovery_code(
                db, user_id, totp.recovery_hash(given), self._clock.now()
            )
        row = authenticators.find(db, user_id)
        step = self._step(row, given) if row else None
        return step is not None and authenticators.use_step(db, user_id, step)

    def _step(self, row: AuthenticatorRow, given: str) -> int | None:
        seed = self._seal.open(row.sealed_seed, context_of(row.user_id))
        return totp.matching_step(seed, given, self._clock.now())

    def _record_refusal(self, actor: Actor) -> None:
        def work(db: Connection) -> None:
            audit.append(
                db, self._clock.now(), actor.org_id, actor, "refuse_totp", f"users/{actor.user_id}"
            )

        self._database.write(work)


def wrong_code() -> InvalidInput:
    """Return the error for a code that is wrong or was used before."""
    return validators.invalid(
        "totp",
        "the code is wrong or has been used",
        hint="Wait for the app's next code, or use a recovery code.",
    )


def context_of(user_id: str) -> str:
    """Return what the seed of somebody's app is bound to."""
    return f"totp seed of user {user_id}"


def _require_session(actor: Actor) -> None:
    actor.require(Action.ACCOUNT_USE)
    if not actor.session_id:
        raise NotAllowed("an API token cannot do this", hint="Log in with your password.")


def _enrolled_already() -> Conflict:
    return Conflict("you have an authenticator app already", hint="To change it, disable it first.")


def _new_recovery_codes(db: Connection, user_id: str) -> RecoveryCodes:
    codes = totp.new_recovery_codes()
    authenticators.delete_recovery_codes(db, user_id)
    authenticators.insert_recovery_codes(db, user_id, map(totp.recovery_hash, codes))
    return RecoveryCodes(codes)
