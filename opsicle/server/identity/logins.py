"""Logging in: the password, the code of an authenticator app, and the session that begins."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from opsicle.domain.errors import (
    Conflict,
    NotAllowed,
    NotAuthenticated,
    OpsicleError,
    TotpRequired,
)
from opsicle.kit.clock import Clock
from opsicle.security import passwords
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor, AnonymousActor
from opsicle.server.access.rights import rights_of
from opsicle.server.access.suspended import suspension_text
from opsicle.server.identity.authenticators import Authenticators
from opsicle.server.identity.login_throttle import LoginThrottle
from opsicle.server.identity.me import me_of
from opsicle.server.identity.passwords import PasswordHasher
from opsicle.server.identity.sessions import Sessions
from opsicle.server.store import (
    audit,
    authenticators,
    login_attempts,
    memberships,
    org_removals,
    sessions,
    users,
)
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.memberships import MembershipRow
from opsicle.server.store.users import UserRow
from opsicle.wire.user_api import LoginReply, LoginRequest, OrgRef, Person

Then = Callable[[Connection, UserRow], LoginReply]
"""What somebody may do, in the same transaction, who has proven to be this account's owner."""


class Logins:
    """Lets people in who prove who they are."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        hasher: PasswordHasher,
        throttle: LoginThrottle,
        apps: Authenticators,
        clock: Clock,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._hasher = hasher
        self._throttle = throttle
        self._apps = apps
        self._clock = clock

    def login(self, request: LoginRequest, address: str) -> LoginReply:
        """Begin a session. The reply holds its token, which a browser gets as a cookie instead.

        Raises TooManyRequests after too many wrong passwords or codes; NotAuthenticated for a wrong
        password, an unknown account, a wrong code and an org that they are no member of;
        TotpRequired where a code is missing; InvalidInput where there are several orgs to choose
        from.
        """
        return self.prove(
            request, address, lambda db, user: self.begin_session(db, user, request, address)
        )

    def prove(self, request: LoginRequest, address: str, then: Then) -> LoginReply:
        """Check password and code of a login, and do in one transaction what they allow.

        Raises as `login`.
        """
        email = request.email.strip().lower()[:254]
        attempt = self._throttle.begin(email, address)

        user, org_id = self._database.read(lambda db: _account_and_org(db, email))
        is_right = self._hasher.verify(
            user.password_hash if user else None, request.password, org_id
        )
        if user is None or not is_right:
            self._refuse_login(user, AnonymousActor(email, address))
            raise NotAuthenticated(
                "the e-mail address or the password is wrong", hint="Both are needed exactly."
            )

        user = self._rehashed(user, request.password, org_id)
        reply = self._enter(user, request.totp, attempt, then)
        if reply is None:
            self._refuse_login(user, AnonymousActor(email, address))
            raise NotAuthenticated(
                "the code is wrong or has been used",
                hint="Wait for the app's next code, or use a recovery code.",
            )
        return reply

    def _rehashed(self, user: UserRow, password: str, org_id: str) -> UserRow:
        """Return the account with its hash brought up to date."""
        if not passwords.needs_rehash(user.password_hash):
            return user

        new = msgspec.structs.replace(user, password_hash=self._hasher.hash(password, org_id))
        self._database.write(
            lambda db: users.rehash_password(db, user.id, user.password_hash, new.password_hash)
        )
        return new

    def _enter(self, user: UserRow, code: str, attempt: int, then: Then) -> LoginReply | None:
        """Let somebody in whose password was right.

        None if their code was wrong, which counts as tried.

        What is refused for any other reason does not count. The code is used up only if a session
        begins.
        """

        def work(db: Connection) -> LoginReply | None:
            if not self._is_proven(db, user, code):
                return None
            reply = then(db, user)
            login_attempts.delete(db, attempt)
            return reply

        try:
            return self._database.write(work)
        except OpsicleError:
            self._database.write(lambda db: login_attempts.delete(db, attempt))
            raise

    def _is_proven(self, db: Connection, user: UserRow, code: str) -> bool:
        """Return whether the code is right, or none is needed.

        Raises TotpRequired where one is needed and none was given.
        """
        if not authenticators.is_confirmed(db, user.id):
            return True
        if not code.strip():
            raise TotpRequired(
                "a code of your authenticator app is needed", hint="Or one of your recovery codes."
            )
        return self._apps.use_code(db, user.id, code)

    def _refuse_login(self, user: UserRow | None, anonymous: AnonymousActor) -> None:
        """Put a wrong password on the record of every org that it could have opened."""

        def work(db: Connection) -> None:
            rows = memberships.list_of_user(db, user.id) if user else []
            org_ids: list[str | None] = [
                row.org_id for row in rows if not org_removals.find(db, row.org_id)
            ]
            for org_id in org_ids or [None]:
                resource = f"users/{user.id}" if user else "users"
                audit.append(db, self._clock.now(), org_id, anonymous, "refuse_login", resource)

        self._database.write(work)

    def begin_session(
        self, db: Connection, user: UserRow, request: LoginRequest, address: str
    ) -> LoginReply:
        """Begin a session of somebody who has proven who they are, inside a transaction.

        Raises as `login`.
        """
        if users.find_by_email(db, user.email) != user:
            raise Conflict("the account has just been changed", hint="Log in again.")

        membership = _choose(memberships.list_of_user(db, user.id), request.org.strip().lower())
        token, session = self._sessions.begin(
            db, (membership.org_id, user.id), request.kind, address
        )

        server_actions = self._sessions.server_actions(user.is_server_operator)
        rights = rights_of(db, membership.org_id, user.id).with_server_actions(server_actions)
        actor = Actor(
            user_id=user.id,
            email=user.email,
            name=user.name,
            org_id=membership.org_id,
            org_code=membership.org_code,
            role=membership.role,
            channel=request.kind,
            address=address,
            session_id=session.id,
            rights=rights,
        )

        if request.totp and authenticators.is_confirmed(db, user.id):
            sessions.note_step_up(db, session.id, session.created_at)
        audit.append(
            db, session.created_at, membership.org_id, actor, "login", f"sessions/{session.id}"
        )

        me = me_of(
            Person(user.id, user.email, user.name),
            OrgRef(membership.org_code, membership.org_name),
            membership.role,
            rights,
            suspension_text(db, membership.org_id),
        )
        return LoginReply(me=me, token=token, expires_at=session.expires_at)


def _choose(rows: list[MembershipRow], code: str) -> MembershipRow:
    """Return the org to log in to, of those that this person belongs to: nobody hears of others."""
    wanted = [row for row in rows if row.org_code == code or not code]
    enabled = [row for row in wanted if not row.is_disabled]

    if not wanted:
        raise NotAuthenticated("you are not a member of this org", hint="Ask its admin to add you.")
    if not enabled:
        raise NotAllowed("your account is disabled", hint="Ask an admin of your org.")
    if len(enabled) > 1:
        codes = ", ".join(row.org_code for row in enabled)
        raise validators.invalid(
            "org", f"you belong to several orgs: {codes}", hint="Say which one with `org`."
        )
    return enabled[0]


def _account_and_org(db: Connection, email: str) -> tuple[UserRow | None, str]:
    """Return who has this address, and whose turn it takes to check their password.

    Return "" if they are nobody, or in no org.
    """
    user = users.find_by_email(db, email)
    rows = memberships.list_of_user(db, user.id if user else "")
    return user, rows[0].org_id if rows else ""
