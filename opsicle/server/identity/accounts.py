"""The way in: setting up the server, logging in and out, who am I."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from opsicle.domain.access import Action, BuiltInRole
from opsicle.domain.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotAuthenticated,
    OpsicleError,
    TotpRequired,
)
from opsicle.domain.rights import Rights, rights_of_role
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.security import passwords, setup_token
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor, AnonymousActor
from opsicle.server.access.rights import rights_of
from opsicle.server.audit.remarks import ServerRemarks
from opsicle.server.identity.authenticators import Authenticators
from opsicle.server.identity.login_throttle import LoginThrottle
from opsicle.server.identity.orgs import find_place, found_org
from opsicle.server.identity.passwords import PasswordHasher
from opsicle.server.identity.sessions import Kind, Sessions
from opsicle.server.store import (
    audit,
    authenticators,
    login_attempts,
    memberships,
    orgs,
    sessions,
    settings,
    users,
)
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.memberships import PlaceRow
from opsicle.server.store.orgs import OrgRow
from opsicle.server.store.users import UserRow
from opsicle.version import __version__
from opsicle.wire.user_api import LoginReply, LoginRequest, Me, OrgRef, Person, SetupRequest

Then = Callable[[Connection, UserRow], LoginReply]
"""What somebody may do, in the same transaction, who has proven to be this account's owner."""


@dataclass(frozen=True, slots=True)
class NewOrg:
    """An org to be created with its first admin.

    `password_hash` is used only if the admin has no account yet.
    """

    code: str
    email: str
    password_hash: str


class Accounts:
    """Lets people in."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        hasher: PasswordHasher,
        throttle: LoginThrottle,
        apps: Authenticators,
        clock: Clock,
        remarks: ServerRemarks,
        on_set_up: Callable[[], None],
    ) -> None:
        """Take what an account needs. `on_set_up` is called once the server has been set up.

        It removes the file with the setup token.

        `remarks` are told to those who run the server.
        """
        self._database = database
        self._sessions = sessions
        self._hasher = hasher
        self._throttle = throttle
        self._apps = apps
        self._clock = clock
        self._remarks = remarks
        self._on_set_up = on_set_up

    def setup_token(self, ca_fingerprint: str, current: str = "") -> str | None:
        """Return the one-time token with which this server is set up; None once that is done.

        `current` is one given out earlier: it stays if it is still good, else a new one takes its
        place.
        """

        def work(db: Connection) -> str | None:
            if orgs.has_any(db):
                return None
            if _is_good(current, settings.find(db, settings.SETUP_TOKEN_HASH)):
                return current.strip()
            token = setup_token.new(ca_fingerprint)
            settings.put(db, settings.SETUP_TOKEN_HASH, token.hash)
            return token.text

        return self._database.write(work)

    def setup(self, request: SetupRequest, address: str) -> Me:
        """Create the first org and its admin. Raises Conflict when that has been done.

        The token is spent in the same transaction, so that of two people with it one alone becomes
        admin.
        """
        anonymous = AnonymousActor(request.email[:254], address)
        stored = self._check_setup_token(request.token, anonymous)
        code, email = validators.org_code(request.org), validators.email_address(request.email)
        passwords.check_password(request.password, email=email)
        password_hash = self._hasher.hash(request.password, "")

        def work(db: Connection) -> tuple[OrgRow, UserRow]:
            if not settings.take(db, settings.SETUP_TOKEN_HASH, stored):
                raise _already_set_up()
            org, admin = self._create_org(db, NewOrg(code, email, password_hash))
            users.set_server_operator(db, admin.id, is_server_operator=True)
            audit.append(
                db, self._clock.now(), org.id, anonymous, "setup", f"orgs/{code}", {"email": email}
            )
            return org, admin

        org, admin = self._database.write(work)
        self._on_set_up()
        person = Person(admin.id, admin.email, admin.name)
        return _me(
            person,
            OrgRef(org.code, org.name),
            BuiltInRole.ADMIN,
            self._beyond(rights_of_role(BuiltInRole.ADMIN), True),
        )

    def _check_setup_token(self, text: str, anonymous: AnonymousActor) -> str:
        """Return the hash under which this token is stored.

        Raises NotAuthenticated if it is another's.
        """
        self._throttle.check_address(anonymous.address)
        stored = self._database.read(lambda db: settings.find(db, settings.SETUP_TOKEN_HASH))
        if stored is None:
            raise _already_set_up()
        if setup_token.parse(text).matches(stored):
            return stored

        def work(db: Connection) -> None:
            self._throttle.note_refusal(db, anonymous.address)
            audit.append(db, self._clock.now(), None, anonymous, "refuse_setup", "setup")

        self._database.write(work)
        raise NotAuthenticated(
            "this is not the setup token of this server", hint="It stands in its data folder."
        )

    def _create_org(self, db: Connection, new: NewOrg) -> tuple[OrgRow, UserRow]:
        now = self._clock.now()
        user = users.find_by_email(db, new.email)
        if user is None:
            user = UserRow(new_id(now), new.email, new.email.partition("@")[0], new.password_hash)
            users.insert(db, user, now)
        org = OrgRow(id=new_id(now), code=new.code, name=new.code)
        found_org(db, org, user, now)
        return org, user

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
        reply = self._enter(
            self._rehashed(user, request.password, org_id), request.totp, attempt, then
        )
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
            places = memberships.list_of_user(db, user.id) if user else []
            org_ids: list[str | None] = [place.org_id for place in places]
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
        place = _choose(memberships.list_of_user(db, user.id), request.org.strip().lower())
        token, session = self._sessions.begin(db, (place.org_id, user.id), request.kind, address)
        rights = self._beyond(rights_of(db, place.org_id, user.id), user.is_server_operator)
        me = _me(
            Person(user.id, user.email, user.name),
            OrgRef(place.org_code, place.org_name),
            place.role,
            rights,
        )
        actor = Actor(
            user_id=user.id,
            email=user.email,
            name=user.name,
            org_id=place.org_id,
            org_code=place.org_code,
            role=place.role,
            channel=request.kind,
            address=address,
            session_id=session.id,
            rights=rights,
        )
        if request.totp and authenticators.is_confirmed(db, user.id):
            sessions.note_proof(db, session.id, session.created_at)
        audit.append(db, session.created_at, place.org_id, actor, "login", f"sessions/{session.id}")
        return LoginReply(me=me, token=token, expires_at=session.expires_at)

    def logout(self, actor: Actor) -> None:
        """End the session that asks; again is harmless.

        An API token is not a session: it is deleted instead.
        """
        if not actor.session_id:
            raise InvalidInput(
                "an API token cannot log out", hint="Delete it with `opsicle tokens delete`."
            )

        def work(db: Connection) -> None:
            if sessions.delete(db, actor.session_id):
                resource = f"sessions/{actor.session_id}"
                audit.append(db, self._clock.now(), actor.org_id, actor, "logout", resource)

        self._database.write(work)
        self._sessions.invalidate()

    def whoami(self, actor: Actor) -> Me:
        """Return who asks, where, and what they may do there."""
        actor.require(Action.ACCOUNT_VIEW)
        org = self._database.read(lambda db: orgs.find(db, actor.org_id))
        assert org is not None
        person = Person(actor.user_id, actor.email, actor.name)
        me = _me(person, OrgRef(org.code, org.name), actor.role, actor.rights)
        me.remarks = list(self._remarks.shown) if actor.may(Action.SERVER_MANAGE) else []
        return me

    def switch(self, actor: Actor, code: str, *, is_kept: bool) -> LoginReply:
        """Begin a session of the caller in another of their orgs.

        The one that asks ends, unless it `is_kept`.

        The new one lives no longer than the old one would have, and has shown no fresh code. Raises
        NotFound for an org that they are no member of, or disabled in; NotAllowed if an API token
        asks, which is one org's for good.
        """
        actor.require(Action.ACCOUNT_USE)
        if not actor.session_id:
            raise NotAllowed(
                "an API token is good for one org only", hint="Log in with your password."
            )
        reply = self._database.write(lambda db: self._switch(db, actor, code, is_kept))
        self._sessions.invalidate()
        return reply

    def _switch(self, db: Connection, actor: Actor, code: str, is_kept: bool) -> LoginReply:
        place = find_place(db, actor.user_id, code)
        ends_at = sessions.find_end(db, actor.session_id)
        if ends_at is None:
            raise NotAuthenticated("this login is no longer valid", hint="Log in again.")
        kind: Kind = "browser" if actor.channel == "browser" else "cli"
        token, session = self._sessions.begin(
            db, (place.org_id, actor.user_id), kind, actor.address, ends_at
        )
        audit.append(db, session.created_at, place.org_id, actor, "login", f"sessions/{session.id}")
        if not is_kept:
            sessions.delete(db, actor.session_id)
            audit.append(
                db,
                session.created_at,
                actor.org_id,
                actor,
                "logout",
                f"sessions/{actor.session_id}",
            )
        person = Person(actor.user_id, actor.email, actor.name)
        rights = rights_of(db, place.org_id, actor.user_id).also(actor.rights.beyond)
        me = _me(person, OrgRef(place.org_code, place.org_name), place.role, rights)
        return LoginReply(me=me, token=token, expires_at=session.expires_at)

    def _beyond(self, rights: Rights, is_server_operator: bool) -> Rights:
        """Return a member's rights, with what they may do on the server beside their org."""
        return rights.also(self._sessions.beyond_role(is_server_operator))


def _already_set_up() -> Conflict:
    return Conflict(
        "this server has been set up already", hint="Log in, or ask its admin for an account."
    )


def _is_good(text: str, stored_hash: str | None) -> bool:
    if not text or stored_hash is None:
        return False
    try:
        return setup_token.parse(text).matches(stored_hash)
    except InvalidInput:
        return False


def _choose(places: list[PlaceRow], code: str) -> PlaceRow:
    """Return the org to log in to, of those that this person belongs to: nobody hears of others."""
    wanted = [place for place in places if place.org_code == code or not code]
    enabled = [place for place in wanted if not place.is_disabled]
    if not wanted:
        raise NotAuthenticated("you are not a member of this org", hint="Ask its admin to add you.")
    if not enabled:
        raise NotAllowed("your account is disabled", hint="Ask an admin of your org.")
    if len(enabled) > 1:
        codes = ", ".join(place.org_code for place in enabled)
        raise validators.invalid(
            "org", f"you belong to several orgs: {codes}", hint="Say which one with `org`."
        )
    return enabled[0]


def _me(user: Person, org: OrgRef, role: str, rights: Rights) -> Me:
    permissions = [str(action) for action in Action if action in rights.actions]
    return Me(user=user, org=org, role=role, permissions=permissions, server_version=__version__)


def _account_and_org(db: Connection, email: str) -> tuple[UserRow | None, str]:
    """Return who has this address, and whose turn it takes to check their password.

    Return "" if they are nobody, or in no org.
    """
    user = users.find_by_email(db, email)
    places = memberships.list_of_user(db, user.id if user else "")
    return user, places[0].org_id if places else ""
