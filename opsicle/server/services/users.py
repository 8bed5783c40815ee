"""The people of an org: who they are, their role, who their manager is.

An account may belong to several orgs. Role, manager and being disabled are an org's own affair; name and password
are the account's, so an admin changes them only for people who belong to no other org: otherwise the admin of one
org could take over somebody's account in another.
"""

from __future__ import annotations

import apsw
import msgspec
from msgspec import UNSET

from opsicle.domain.access import Action, Role
from opsicle.domain.errors import Conflict, NotFound
from opsicle.domain.names import has_control_characters
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.pki import passwords
from opsicle.server.services.accounts import checked_email, invalid
from opsicle.server.services.actor import Actor
from opsicle.server.services.cursors import page_of
from opsicle.server.services.passwords import PasswordHasher
from opsicle.server.services.sessions import Sessions
from opsicle.server.store import audit, memberships, sessions, tokens, users
from opsicle.server.store.database import Database
from opsicle.server.store.memberships import MemberRow
from opsicle.server.store.users import UserRow
from opsicle.wire.pages import Page
from opsicle.wire.user_api import CreateUserRequest, UpdateUserRequest, User


class Users:
    """The people of an org."""

    def __init__(self, database: Database, sessions: Sessions, hasher: PasswordHasher, clock: Clock) -> None:
        self._database = database
        self._sessions = sessions
        self._hasher = hasher
        self._clock = clock

    def list_users(self, actor: Actor, cursor: str, limit: int) -> Page[User]:
        """The org's people by e-mail address."""
        actor.require(Action.USERS_VIEW)
        rows = self._database.read(lambda db: memberships.list_members(db, actor.org_id, cursor, limit + 1))
        return page_of(rows, limit, _shown, lambda row: row.email)

    def get(self, actor: Actor, id_or_email: str) -> User:
        """One person of the org. Raises NotFound."""
        actor.require(Action.USERS_VIEW)
        return _shown(self._database.read(lambda db: _get(db, actor.org_id, id_or_email)))

    def create(self, actor: Actor, request: CreateUserRequest) -> User:
        """Add a person to the org, with a password to begin with.

        Raises Conflict if the address has an account already; InvalidInput for an address, name, password or manager
        that cannot be used.
        """
        actor.require(Action.USERS_MANAGE)
        email, name = checked_email(request.email), _checked_name(request.name)
        passwords.check_password(request.password, email=email, name=name)
        password_hash = self._hasher.hash(request.password)
        now = self._clock.now()

        def work(db: apsw.Connection) -> MemberRow:
            user = _account(db, UserRow(new_id(now), email, name or email.partition("@")[0], password_hash))
            if user is None:
                raise Conflict(f"{email} cannot be added", hint="This address has an account on this server already.")
            if user.password_hash != password_hash:
                _take_over(db, user.id, name or user.name, password_hash)
            elif not users.find_by_email(db, email):
                users.insert(db, user, now)
            member = MemberRow(user.id, email, name, request.role, None, None, is_disabled=False, created_at=now)
            memberships.insert(db, actor.org_id, member)
            _set_manager(db, actor.org_id, member, request.manager)
            return _get(db, actor.org_id, user.id)

        return _shown(self._database.write(work))
