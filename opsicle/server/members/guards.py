"""Who may change whom, and what no change may leave behind.

Asked by everything that is done to people.
"""

from __future__ import annotations

from opsicle.domain.access import Action, BuiltInRole
from opsicle.domain.errors import Conflict, NotAllowed, NotFound, required
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.principals import account_of, accounts_of
from opsicle.server.access.rights import require_at_most, rights_of
from opsicle.server.members.named_approvers import require_policies_for_way_in
from opsicle.server.store import memberships, users
from opsicle.server.store.database import Connection
from opsicle.server.store.memberships import MemberRow


def get_member(db: Connection, org_id: str, id_or_email: str) -> MemberRow:
    """Return one person of an org. Raises NotFound."""
    return required(
        memberships.find(db, org_id, id_or_email.strip().lower()),
        NotFound(f"there is no user {id_or_email}", hint="`opsicle users list` shows them."),
    )


def require_command_of(db: Connection, actor: Actor, member: MemberRow) -> None:
    """Raise NotAllowed for somebody who may more than the actor.

    Also for themselves, unless they are an admin.

    Otherwise managing people would be a way to take over the account of somebody who may more.
    Oneself is the person: a service account changes neither its owner nor another account of
    theirs. People do change their service accounts.
    """
    myself = account_of(db, actor.org_id, actor.user_id)
    is_own_program = member.owner_id == actor.user_id
    if is_same_person(db, actor, member) and not is_own_program and not actor.rights.is_admin:
        through = " through a service account" if myself.owner_id else ""
        raise NotAllowed(
            f"you may not change what you are yourself{through}", hint="Ask an admin of your org."
        )
    require_at_most(actor, rights_of(db, actor.org_id, member.user_id), f"change {member.email}")


def require_way_into(db: Connection, actor: Actor, member: MemberRow) -> None:
    """Raise NotAllowed if the actor may not make themselves a way into this account.

    Beside `require_command_of` it keeps people out of the accounts of those who decide on what they
    ask for: whoever stands above them, and, without the right to manage policies, whom a policy
    names.
    """
    me = account_of(db, actor.org_id, actor.user_id).principal
    if (
        member.user_id != me
        and not actor.rights.is_admin
        and memberships.is_managed_by(db, actor.org_id, me, member.user_id)
    ):
        raise NotAllowed(
            f"you may not change how {member.email} gets in: they are your manager",
            hint="Ask an admin of your org.",
        )
    require_policies_for_way_in(db, actor, member)


def is_same_person(db: Connection, actor: Actor, member: MemberRow) -> bool:
    """Return whether one human being is behind the actor and this account."""
    accounts = accounts_of(db, actor.org_id, (actor.user_id, member.user_id))
    return accounts[actor.user_id].is_same_person(accounts[member.user_id])


def check_own_manager(db: Connection, actor: Actor, old: MemberRow, new: MemberRow) -> None:
    """Raise NotAllowed where somebody gives an own service account a manager.

    They decide on what it asks for.
    """
    if (
        new.manager_id != old.manager_id
        and is_same_person(db, actor, old)
        and not actor.rights.is_admin
    ):
        raise NotAllowed(
            "you may not choose the manager of your own service account",
            hint="Ask an admin of your org.",
        )


def check_is_orgs_alone(db: Connection, actor: Actor, member: MemberRow) -> None:
    """Raise Conflict if the account belongs to other orgs too.

    No admin of one of them may take it over.

    Likewise an account that runs the server: only those who do so themselves may touch it. A
    service account has neither password nor app, and never gets any.
    """
    if member.owner_id:
        raise Conflict(
            f"{member.email} is a service account",
            hint="It has its name and its tokens, and no password.",
        )

    account = users.find(db, member.user_id)
    is_operators = (
        account is not None and account.is_server_operator and not actor.may(Action.SERVER_MANAGE)
    )
    if is_operators or len(memberships.list_of_user(db, member.user_id)) > 1:
        raise Conflict(
            f"the account {member.email} is not this org's alone",
            hint="Its name, password and authenticator app are not yours to change.",
        )


def check_operator_stays(db: Connection, user_id: str) -> None:
    """Raise Conflict if nobody who runs the server could log in after this change."""
    account = users.find(db, user_id)
    if account and account.is_server_operator and users.count_server_operators(db) == 0:
        raise last_server_operator()


def last_server_operator() -> Conflict:
    """Return the error for a change after which nobody could run the server."""
    return Conflict(
        "this is the last server operator who can log in", hint="Name another one first."
    )


def check_admin_stays(db: Connection, org_id: str, old: MemberRow, new: MemberRow | None) -> None:
    """Raise Conflict if nobody could administer the org after this change."""
    is_admin_after = new is not None and new.role == BuiltInRole.ADMIN and not new.is_disabled
    if is_admin_after or old.role != BuiltInRole.ADMIN or old.is_disabled:
        return
    if memberships.count_other_admins(db, org_id, old.user_id) == 0:
        raise Conflict(
            f"{old.email} is the last admin of this org", hint="Make somebody else an admin first."
        )


def get_new_owner(db: Connection, actor: Actor, member: MemberRow, id_or_email: str) -> MemberRow:
    """Return who answers for the service accounts of somebody who goes.

    Raises InvalidInput for one who cannot.
    """
    new_owner = memberships.find(db, actor.org_id, id_or_email.strip().lower())
    if (
        new_owner is None
        or new_owner.owner_id
        or new_owner.is_disabled
        or new_owner.user_id == member.user_id
    ):
        raise validators.invalid(
            "new_owner",
            f"{id_or_email[:254]} cannot answer for service accounts here",
            hint="Name somebody else of the org who is not disabled; "
            "`opsicle users list` shows them.",
        )

    if new_owner.user_id != actor.user_id:
        require_command_of(db, actor, new_owner)
    return new_owner
