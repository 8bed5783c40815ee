"""Service accounts: accounts of programs.

They have no password, only API tokens, and a person who answers for them.

What one may do is what both its own role and its owner allow; so it can be made by anybody, and
falls with its owner.
"""

from __future__ import annotations

from datetime import datetime

from opsicle.domain.access import Action, BuiltInRole
from opsicle.domain.errors import Conflict, NotAllowed, NotFound
from opsicle.domain.names import TEMPLATE_NAME, TEMPLATE_NAME_RULE
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import require_role
from opsicle.server.http.paging import page_of
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.server.members.guards import get_member, require_command_of
from opsicle.server.members.named_approvers import ApproverNaming, require_policies_for
from opsicle.server.members.users import end_membership, shown
from opsicle.server.store import account_owners, audit, memberships, users
from opsicle.server.store.account_owners import OwnerRow
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.memberships import MemberRow
from opsicle.server.store.users import UserRow
from opsicle.wire.access_api import CreateServiceAccountRequest
from opsicle.wire.pages import Page
from opsicle.wire.user_api import User

NO_PASSWORD = "-"
"""In the place of a password's hash: nothing fits it."""


class ServiceAccounts:
    """Made and removed by their owner, or by whoever manages people."""

    def __init__(
        self, database: Database, sessions: Sessions, step_up: StepUp, clock: Clock
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._step_up = step_up
        self._clock = clock

    def list_accounts(self, actor: Actor, cursor: str, limit: int) -> Page[User]:
        """Return the org's service accounts by address."""
        actor.require(Action.USERS_VIEW)
        rows = self._database.read(
            lambda db: memberships.list_service_accounts(db, actor.org_id, cursor, limit + 1)
        )
        return page_of(rows, limit, shown, lambda row: row.email)

    def create(self, actor: Actor, request: CreateServiceAccountRequest) -> User:
        """Make a service account of the caller's, or of somebody whom the caller may manage.

        Raises InvalidInput for a name, role or owner that cannot be; Conflict if the name is taken;
        NotAllowed if an API token asks, or for an owner beyond the caller's own rights;
        StepUpRequired.
        """
        actor.require(Action.ACCOUNT_USE)
        if not actor.session_id:
            raise NotAllowed(
                "an API token cannot make a service account", hint="Log in with your password."
            )

        self._step_up.require(actor)
        if not TEMPLATE_NAME.fullmatch(request.name):
            raise validators.invalid("name", f"the name must be {TEMPLATE_NAME_RULE}")
        if request.role == BuiltInRole.ADMIN:
            raise validators.invalid("role", "a service account cannot be an admin")

        now = self._clock.now()
        email = f"{request.name}@{actor.org_code}{validators.SERVICE_DOMAIN}"

        def work(db: Connection) -> User:
            require_role(db, actor.org_id, request.role)
            owner = _owner(db, actor, request.owner)
            # With its owner's role it makes nobody an approver who is none: the two count as one
            # person.
            role = "" if request.role == owner.role else request.role
            require_policies_for(
                db, actor, ApproverNaming(email=email, role=role), f"make {email} {request.role}"
            )
            _free_address(db, email)
            user_id = _insert(db, actor.org_id, email, request, owner.user_id, now)
            data = {"email": email, "role": request.role, "owner": owner.email}
            audit.append(db, now, actor.org_id, actor, "create", f"users/{user_id}", data)
            return shown(get_member(db, actor.org_id, user_id))

        return self._database.write(work)

    def delete(self, actor: Actor, id_or_email: str) -> None:
        """Remove a service account; its tokens are refused from the next request on.

        Raises NotFound, also for a person; NotAllowed unless it is the caller's, or one that they
        may manage.
        """
        self._step_up.require(actor, Action.ACCOUNT_USE)

        def work(db: Connection) -> None:
            account = get_account(db, actor, id_or_email)
            end_membership(db, actor.org_id, account)
            data = {"email": account.email}
            audit.append(
                db,
                self._clock.now(),
                actor.org_id,
                actor,
                "delete",
                f"users/{account.user_id}",
                data,
            )

        self._sessions.change(work)


def get_account(db: Connection, actor: Actor, id_or_email: str) -> MemberRow:
    """Return a service account that the actor may decide about.

    It is their own, or of somebody whom they manage.

    Raises NotFound if there is none; NotAllowed if it is another's.
    """
    account = get_member(db, actor.org_id, id_or_email)
    if account.owner_id is None:
        raise NotFound(f"there is no user {id_or_email}", hint="`opsicle users list` shows them.")
    if account.owner_id != actor.user_id:
        actor.require(Action.USERS_MANAGE)
        require_command_of(db, actor, account)
    return account


def _free_address(db: Connection, email: str) -> None:
    """Let an address be used again that a deleted account had.

    Raises Conflict if there is such an account.

    The old account stays what it was, for the record of what it did, under an address that nobody
    can be given: the new one inherits nothing of it.
    """
    old = users.find_by_email(db, email)
    if old is None:
        return
    if memberships.list_of_user(db, old.id):
        raise Conflict(f"there is an account {email} already", hint="Choose another name.")
    name, _, domain = email.partition("@")
    users.retire_email(db, old.id, f"{name}+deleted-{old.id}@{domain}".lower())


def _insert(
    db: Connection,
    org_id: str,
    email: str,
    request: CreateServiceAccountRequest,
    owner_id: str,
    now: datetime,
) -> str:
    """Record an account, that it is in the org, and whose it is; return its id."""
    user_id = new_id(now)
    users.insert(db, UserRow(user_id, email, request.name, NO_PASSWORD), now)
    row = MemberRow(
        user_id=user_id,
        email=email,
        name=request.name,
        role=request.role,
        manager_id=None,
        manager=None,
        is_disabled=False,
        created_at=now,
        owner_id=owner_id,
        role_seq=audit.next_seq(db, org_id),
    )
    memberships.insert(db, org_id, row)
    account_owners.insert(db, org_id, OwnerRow(user_id, row.role_seq, owner_id))
    return user_id


def _owner(db: Connection, actor: Actor, email: str) -> MemberRow:
    owner = memberships.find(db, actor.org_id, email.strip().lower() or actor.user_id)
    if owner is None or owner.owner_id:
        raise validators.invalid(
            "owner", f"{email} is no person of this org", hint="`opsicle users list` shows them."
        )
    if owner.user_id != actor.user_id:
        actor.require(Action.USERS_MANAGE)
        require_command_of(db, actor, owner)
    return owner
