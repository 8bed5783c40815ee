"""Setting another password: one's own, or by the one-time link of an admin.

Both end the account's sessions.
"""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, NotAllowed, NotAuthenticated
from opsicle.kit.clock import Clock
from opsicle.security import api_tokens, passwords
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor, AnonymousActor
from opsicle.server.identity.login_throttle import LoginThrottle
from opsicle.server.identity.passwords import PasswordHasher
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.server.store import audit, login_attempts, password_resets, sessions, users
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.password_resets import ResetRow
from opsicle.server.store.users import UserRow
from opsicle.wire.identity_api import ChangePasswordRequest, ResetPasswordRequest


class PasswordChanges:
    """What people do with their own passwords."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        hasher: PasswordHasher,
        throttle: LoginThrottle,
        step_up: StepUp,
        clock: Clock,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._hasher = hasher
        self._throttle = throttle
        self._step_up = step_up
        self._clock = clock

    def change(self, actor: Actor, request: ChangePasswordRequest) -> None:
        """Change the caller's own password; their other sessions end, in all orgs.

        Raises InvalidInput for a wrong current password or a new one that cannot be used;
        StepUpRequired; TooManyRequests after too many wrong ones; NotAllowed if an API token asks.
        """
        actor.require(Action.ACCOUNT_USE)
        if not actor.session_id:
            raise NotAllowed(
                "an API token cannot change the password", hint="Log in with your password."
            )

        self._step_up.require(actor)
        passwords.check_password(request.password, email=actor.email, name=actor.name)
        attempt = self._throttle.begin(actor.email, actor.address)
        old = self._proven(actor, request.current_password)
        new_hash = self._hasher.hash(request.password, actor.org_id)

        def work(db: Connection) -> None:
            login_attempts.delete(db, attempt)
            if users.find_by_email(db, actor.email) != old:
                raise Conflict("the account has just been changed", hint="Try again.")

            users.set_password(db, actor.user_id, new_hash)
            password_resets.delete_of_user(db, actor.user_id)
            sessions.delete_others(db, actor.user_id, actor.session_id)
            audit.append(
                db,
                self._clock.now(),
                actor.org_id,
                actor,
                "change_password",
                f"users/{actor.user_id}",
            )

        self._sessions.change(work)

    def _proven(self, actor: Actor, password: str) -> UserRow:
        """Return the account whose password this is. Raises InvalidInput."""
        user = self._database.read(lambda db: users.find_by_email(db, actor.email))
        if user is None or not self._hasher.verify(user.password_hash, password, actor.org_id):
            raise validators.invalid("current_password", "the current password is wrong")
        return user

    def reset(self, request: ResetPasswordRequest, address: str) -> None:
        """Set a new password with the token of a reset link, which is thereby spent.

        Every session of theirs ends.

        Raises NotAuthenticated for a token that is unknown, spent or too old; InvalidInput for a
        password that cannot be used, and the token stays good; TooManyRequests.
        """
        self._throttle.check_address(address)
        token_hash = api_tokens.token_hash(request.token.strip())
        found = self._database.read(
            lambda db: password_resets.find(db, token_hash, self._clock.now())
        )
        if found is None:
            self._database.write(lambda db: self._throttle.note_refusal(db, address))
            raise _no_longer_good()

        passwords.check_password(request.password, email=found.email, name=found.name)
        new_hash = self._hasher.hash(request.password, found.org_id)
        self._sessions.change(lambda db: self._use_token(db, found, token_hash, new_hash, address))

    def _use_token(
        self, db: Connection, found: ResetRow, token_hash: str, new_hash: str, address: str
    ) -> None:
        if password_resets.find(db, token_hash, self._clock.now()) != found:
            raise _no_longer_good()
        password_resets.delete_of_user(db, found.user_id)
        users.set_password(db, found.user_id, new_hash)
        sessions.delete_others(db, found.user_id, "")

        anonymous = AnonymousActor(found.email, address)
        audit.append(
            db,
            self._clock.now(),
            found.org_id,
            anonymous,
            "reset_password",
            f"users/{found.user_id}",
        )


def _no_longer_good() -> NotAuthenticated:
    return NotAuthenticated(
        "this link is no longer good", hint="Ask an admin of your org for a new one."
    )
