"""The people of an org: who they are, their role, who their manager is.

An account may belong to several orgs. Role, manager and being disabled are an org's own affair;
name and password are the account's, so an admin changes them only for people who belong to no other
org: otherwise the admin of one org could take over somebody's account in another. Whoever has an
authenticator app shows a fresh code for a change.

Those who manage people without being admins hand out nothing that they do not have, leave alone
whoever may more than they, and do not change what they themselves are.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from opsicle.domain.access import Action, BuiltInRole
from opsicle.domain.errors import Conflict
from opsicle.domain.rights import Rights, change
from opsicle.domain.rules import parse_rules
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.security import passwords
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import (
    deciding_change,
    read_rules,
    require_at_most,
    require_role,
    rights_of,
    role_rules,
    shown_rules,
    written_rules,
)
from opsicle.server.approvals.stuck import templates_left_stuck
from opsicle.server.http.paging import page_of
from opsicle.server.identity.passwords import PasswordHasher
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.server.members.guards import (
    check_admin_stays,
    check_is_orgs_alone,
    check_operator_stays,
    check_own_manager,
    get_member,
    get_new_owner,
    require_command_of,
    require_way_into,
)
from opsicle.server.members.named_approvers import (
    ApproverNaming,
    require_policies_for,
    require_policies_to_leave,
)
from opsicle.server.members.removals import hand_over, require_confirmation
from opsicle.server.store import (
    audit,
    chat_links,
    groups,
    memberships,
    password_resets,
    sessions,
    tokens,
    users,
)
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.memberships import MemberRow
from opsicle.server.store.users import UserRow
from opsicle.wire.pages import Page
from opsicle.wire.user_api import CreateUserRequest, UpdateUserRequest, User

MAX_NAME_LENGTH = 200


class Users:
    """The people of an org."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        hasher: PasswordHasher,
        step_up: StepUp,
        clock: Clock,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._hasher = hasher
        self._step_up = step_up
        self._clock = clock

    def list_users(self, actor: Actor, cursor: str, limit: int) -> Page[User]:
        """Return the org's people by e-mail address."""
        actor.require(Action.USERS_VIEW)
        rows = self._database.read(
            lambda db: memberships.list_members(db, actor.org_id, cursor, limit + 1)
        )
        return page_of(rows, limit, shown, lambda row: row.email)

    def get(self, actor: Actor, id_or_email: str) -> User:
        """Return one person of the org. Raises NotFound."""
        actor.require(Action.USERS_VIEW)
        return shown(self._database.read(lambda db: get_member(db, actor.org_id, id_or_email)))

    def create(self, actor: Actor, request: CreateUserRequest) -> User:
        """Add a person to the org, with a password to begin with.

        Raises Conflict if the address has an account already; InvalidInput for an address, name,
        password, role or manager that cannot be used; NotAllowed for a role that may more than the
        caller.
        """
        self._step_up.require(actor, Action.USERS_MANAGE)
        email = validators.email_address(request.email)
        name = validators.display_name(request.name, MAX_NAME_LENGTH) or email.partition("@")[0]
        passwords.check_password(request.password, email=email, name=name)
        password_hash = self._hasher.hash(request.password, actor.org_id)
        now = self._clock.now()

        def work(db: Connection) -> MemberRow:
            user_id = self._open_account(db, UserRow(new_id(now), email, name, password_hash))

            require_role(db, actor.org_id, request.role)
            require_policies_for(
                db,
                actor,
                ApproverNaming(email=email, role=request.role),
                f"add {email} as {request.role}",
            )

            manager = find_manager(db, actor.org_id, request.manager)
            row = MemberRow(
                user_id=user_id,
                email=email,
                name=name,
                role=request.role,
                manager_id=manager.user_id if manager else None,
                manager=None,
                is_disabled=False,
                created_at=now,
                role_seq=audit.next_seq(db, actor.org_id),
            )
            memberships.insert(db, actor.org_id, row)
            require_at_most(
                actor, rights_of(db, actor.org_id, user_id), "add somebody with this role"
            )

            data = {"email": email, "role": request.role, "manager": request.manager}
            audit.append(db, now, actor.org_id, actor, "create", f"users/{user_id}", data)
            return get_member(db, actor.org_id, user_id)

        return shown(self._database.write(work))

    def _open_account(self, db: Connection, new: UserRow) -> str:
        """Make an account, or open one anew that belongs to no org any more; returns its id."""
        old = users.find_by_email(db, new.email)
        if old is None:
            users.insert(db, new, self._clock.now())
            return new.id
        if old.is_server_operator or memberships.list_of_user(db, old.id):
            raise Conflict(
                f"{new.email} cannot be added",
                hint="This address has an account on this server already.",
            )

        users.rename(db, old.id, new.name)
        users.set_password(db, old.id, new.password_hash)
        return old.id

    def update(self, actor: Actor, id_or_email: str, request: UpdateUserRequest) -> User:
        """Change what is given.

        Somebody who is disabled, or given another password, is logged out at once.

        Raises NotFound; InvalidInput for a name, password, role, rule or manager that cannot be
        used; Conflict where the org would be left without an admin, or the account is not the org's
        alone; NotAllowed for somebody, or for rights, beyond the caller's own.
        """
        self._step_up.require(actor, Action.USERS_MANAGE)
        old = self._database.read(lambda db: get_member(db, actor.org_id, id_or_email))
        if request.name is not UNSET:
            request.name = validators.display_name(request.name, MAX_NAME_LENGTH)
        password_hash = (
            self._hash(actor, request.password, old) if request.password is not UNSET else ""
        )

        def work(db: Connection) -> tuple[MemberRow, list[str]]:
            old = get_member(db, actor.org_id, id_or_email)
            require_command_of(db, actor, old)

            new = _changed(db, actor.org_id, old, request)
            _check_gain(db, actor, old, new)
            check_own_manager(db, actor, old, new)
            if password_hash:
                require_way_into(db, actor, old)
            check_admin_stays(db, actor.org_id, old, new)

            memberships.update(db, actor.org_id, new)
            check_operator_stays(db, old.user_id)
            _change_account(db, actor, old, request, password_hash)
            if new.is_disabled or password_hash:
                sessions.delete_of_member(db, actor.org_id, old.user_id)
            if new.is_disabled:
                tokens.delete_of_member(db, actor.org_id, old.user_id)

            resource = f"users/{old.user_id}"
            audit.append(
                db, self._clock.now(), actor.org_id, actor, "update", resource, _recorded(request)
            )

            stuck = templates_left_stuck(db, actor.org_id) if new != old else []
            return get_member(db, actor.org_id, old.user_id), stuck

        row, stuck = self._sessions.change(work)
        return msgspec.structs.replace(shown(row), leaves_stuck=stuck)

    def _hash(self, actor: Actor, password: str, user: MemberRow) -> str:
        passwords.check_password(password, email=user.email, name=user.name)
        return self._hasher.hash(password, actor.org_id)

    def delete(
        self, actor: Actor, id_or_email: str, new_owner: str = "", *, is_confirmed: bool = False
    ) -> None:
        """End a membership; the sessions and tokens in this org die at once.

        Service accounts go to `new_owner` (id or address), or else with their owner. Raises
        NotFound; Conflict where the org would be left without an admin; unless `is_confirmed`,
        LeavesBehind where service accounts would go too or approvals could not be given any more;
        InvalidInput for an owner who cannot be one.
        """
        self._step_up.require(actor, Action.USERS_MANAGE)

        def work(db: Connection) -> None:
            now = self._clock.now()
            member = get_member(db, actor.org_id, id_or_email)
            require_command_of(db, actor, member)
            check_admin_stays(db, actor.org_id, member, None)

            owned = memberships.list_owned(db, actor.org_id, member.user_id)
            if new_owner:
                hand_over(db, actor, owned, get_new_owner(db, actor, member, new_owner), now)
            accounts = [] if new_owner else owned
            for gone in (*accounts, member):
                end_membership(db, actor.org_id, gone)
                resource, data = f"users/{gone.user_id}", {"email": gone.email}
                audit.append(db, now, actor.org_id, actor, "delete", resource, data)

            check_operator_stays(db, member.user_id)
            if not is_confirmed:
                require_confirmation(db, actor.org_id, member.email, accounts)

        self._sessions.change(work)


def end_membership(db: Connection, org_id: str, member: MemberRow) -> None:
    """Take somebody out of an org with everything that they have there."""
    sessions.delete_of_member(db, org_id, member.user_id)
    tokens.delete_of_member(db, org_id, member.user_id)
    groups.remove_everywhere(db, org_id, member.user_id)
    chat_links.delete_of_member(db, org_id, member.user_id)
    memberships.clear_manager(db, org_id, member.user_id)
    memberships.delete(db, org_id, member.user_id)
    password_resets.delete_of_user(db, member.user_id)


def _check_gain(db: Connection, actor: Actor, old: MemberRow, new: MemberRow) -> None:
    """Raise NotAllowed if the change gives the person something that the actor does not have."""
    if new.role == BuiltInRole.ADMIN and old.role != BuiltInRole.ADMIN:
        require_at_most(actor, Rights(is_admin=True), "make somebody an admin")
    before = (*role_rules(db, actor.org_id, old.role), *read_rules(old.rules))
    after = (*role_rules(db, actor.org_id, new.role), *read_rules(new.rules))
    require_at_most(actor, change(before, after), f"give {old.email} this")
    if new.role != old.role:
        require_policies_for(
            db, actor, ApproverNaming(role=new.role), f"make {old.email} {new.role}"
        )
        require_policies_to_leave(db, actor, f"make {old.email} {new.role}", role=old.role)


def find_manager(db: Connection, org_id: str, email: str | None) -> MemberRow | None:
    """Return who is to be somebody's manager, None for nobody.

    Raises InvalidInput for one who cannot be.
    """
    if email is None:
        return None
    manager = memberships.find(db, org_id, email.strip().lower())
    if manager is None:
        raise validators.invalid(
            "manager", f"the manager {email} is not in this org", hint="Add them first."
        )
    if manager.owner_id:
        raise validators.invalid(
            "manager", f"{email} is a service account, and manages nobody", hint="Name a person."
        )
    if manager.is_disabled:
        raise validators.invalid(
            "manager",
            f"{email} is disabled and can be nobody's manager",
            hint="Name somebody else.",
        )
    return manager


def _changed(db: Connection, org_id: str, old: MemberRow, request: UpdateUserRequest) -> MemberRow:
    """Return the membership as the request wants it.

    Raises InvalidInput for a role, a rule or a manager that cannot be.
    """
    if request.role is not UNSET:
        require_role(db, org_id, request.role)
        if old.owner_id and request.role == BuiltInRole.ADMIN:
            raise validators.invalid("role", "a service account cannot be an admin")

    manager_id = old.manager_id
    if request.manager is not UNSET:
        manager = find_manager(db, org_id, request.manager)
        manager_id = manager.user_id if manager else None
        if manager_id and memberships.is_managed_by(db, org_id, manager_id, old.user_id):
            raise validators.invalid(
                "manager",
                f"{request.manager} cannot be the manager of {old.email}: "
                "nobody may stand above themselves",
            )

    role = old.role if request.role is UNSET else request.role
    rules = old.rules if request.rules is UNSET else written_rules(parse_rules(request.rules))
    seq = audit.next_seq(db, org_id)
    return msgspec.structs.replace(
        old,
        role=role,
        role_seq=old.role_seq if role == old.role else seq,
        manager_id=manager_id,
        rules=rules,
        rules_seq=seq
        if deciding_change(read_rules(old.rules), read_rules(rules))
        else old.rules_seq,
        is_disabled=old.is_disabled if request.is_disabled is UNSET else request.is_disabled,
    )


def _change_account(
    db: Connection, actor: Actor, old: MemberRow, request: UpdateUserRequest, password_hash: str
) -> None:
    if request.name is UNSET and not password_hash:
        return
    check_is_orgs_alone(db, actor, old)
    if request.name is not UNSET:
        users.rename(db, old.user_id, request.name)
    if password_hash:
        users.set_password(db, old.user_id, password_hash)
        password_resets.delete_of_user(db, old.user_id)


def _recorded(request: UpdateUserRequest) -> dict[str, object]:
    """Return what the record says of a change: a new password only by name."""
    changes: dict[str, object] = msgspec.to_builtins(request)
    return changes | ({"password": "changed"} if request.password is not UNSET else {})


def shown(row: MemberRow) -> User:
    """Return a member as others see them."""
    return User(
        id=row.user_id,
        email=row.email,
        name=row.name,
        role=row.role,
        rules=shown_rules(row.rules),
        owner=row.owner,
        manager=row.manager,
        is_manager_disabled=row.is_manager_disabled,
        is_disabled=row.is_disabled,
        created_at=row.created_at,
    )
