"""Setting up the server: its first org and admin, with a token that is good once."""

from __future__ import annotations

from collections.abc import Callable

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, InvalidInput, NotAuthenticated
from opsicle.domain.rights import rights_of_role
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.security import passwords, setup_token
from opsicle.server.access import validators
from opsicle.server.access.actor import AnonymousActor
from opsicle.server.identity.login_throttle import LoginThrottle
from opsicle.server.identity.me import me_of
from opsicle.server.identity.orgs import create_org
from opsicle.server.identity.passwords import PasswordHasher
from opsicle.server.identity.sessions import Sessions
from opsicle.server.store import audit, orgs, settings, users
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.orgs import OrgRow
from opsicle.server.store.users import UserRow
from opsicle.wire.user_api import Me, OrgRef, Person, SetupRequest


class ServerSetup:
    """Makes the first org and its admin, once for a server."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        hasher: PasswordHasher,
        throttle: LoginThrottle,
        clock: Clock,
        on_set_up: Callable[[], None],
    ) -> None:
        """Take what a setup needs. `on_set_up` removes the file with the token once it is spent."""
        self._database = database
        self._sessions = sessions
        self._hasher = hasher
        self._throttle = throttle
        self._clock = clock
        self._on_set_up = on_set_up

    def token(self, ca_fingerprint: str, current: str = "") -> str | None:
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

    def is_needed(self) -> bool:
        """Return whether this server has no org yet."""
        return not self._database.read(orgs.has_any)

    def complete(self, request: SetupRequest, address: str) -> Me:
        """Create the first org and its admin. Raises Conflict when that has been done.

        The token is spent in the same transaction, so that of two people with it one alone becomes
        admin.
        """
        anonymous = AnonymousActor(request.email[:254], address)
        stored = self._check_token(request.token, anonymous)

        code, email = validators.org_code(request.org), validators.email_address(request.email)
        passwords.check_password(request.password, email=email)
        password_hash = self._hasher.hash(request.password, "")

        def work(db: Connection) -> tuple[OrgRow, UserRow]:
            if not settings.take(db, settings.SETUP_TOKEN_HASH, stored):
                raise _already_set_up()
            org, admin = self._create_org(db, code, email, password_hash)
            users.set_server_operator(db, admin.id, is_server_operator=True)
            audit.append(
                db, self._clock.now(), org.id, anonymous, "setup", f"orgs/{code}", {"email": email}
            )
            return org, admin

        org, admin = self._database.write(work)
        self._on_set_up()

        person = Person(admin.id, admin.email, admin.name)
        server_actions = self._sessions.server_actions(True)
        rights = rights_of_role(BuiltInRole.ADMIN).with_server_actions(server_actions)
        return me_of(person, OrgRef(org.code, org.name), BuiltInRole.ADMIN, rights)

    def _check_token(self, text: str, anonymous: AnonymousActor) -> str:
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

    def _create_org(
        self, db: Connection, code: str, email: str, password_hash: str
    ) -> tuple[OrgRow, UserRow]:
        """Create an org with its first admin.

        The hash is used only if they have no account yet.
        """
        now = self._clock.now()
        user = users.find_by_email(db, email)
        if user is None:
            user = UserRow(new_id(now), email, email.partition("@")[0], password_hash)
            users.insert(db, user, now)

        org = OrgRow(id=new_id(now), code=code, name=code)
        create_org(db, org, user, now)
        return org, user


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
