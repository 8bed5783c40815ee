"""The people of an org as the engine of approvals sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from opsicle.domain.access import Action
from opsicle.domain.approvers import Asker, Person
from opsicle.domain.policies import Chat, Policy
from opsicle.domain.rules import Target
from opsicle.domain.templates import Template
from opsicle.server.services.rights import rights_of
from opsicle.server.services.template_access import is_hidden_from, targets_of
from opsicle.server.store import chat_links, groups, memberships
from opsicle.server.store.database import Connection
from opsicle.server.store.memberships import MemberRow


def people_of(db: Connection, org_id: str, policy: Policy, template: Template) -> dict[str, Person]:
    """The enabled members of an org by id, with the chat accounts that the policy names.

    Whoever may not see the template decides on nothing that runs it.
    """
    targets = targets_of(db, org_id, template.name, template.labels)
    chats: dict[str, set[Chat]] = {}
    for chat in _named_chats(policy):
        if user_id := chat_links.find_user(db, org_id, chat.channel, chat.id):
            chats.setdefault(user_id, set()).add(chat)
    members = {member.user_id: member for member in memberships.list_members(db, org_id, "", limit=-1)}
    joined = groups.list_joined(db, org_id)
    return {
        member.user_id: _person(
            member,
            joined.get(member.user_id, {}),
            frozenset(chats.get(member.user_id, ())),
            may_decide=_may_decide(db, org_id, member.user_id, targets),
        )
        for member in members.values()
        if not member.is_disabled and not (member.owner_id and members[member.owner_id].is_disabled)
    }


def asker_of(db: Connection, org_id: str, user_id: str, asked_at: datetime) -> Asker:
    """Who asked, with their manager of today; a service account's is its own, or else its owner's."""
    member = memberships.find(db, org_id, user_id)
    owner = memberships.find(db, org_id, member.owner_id) if member and member.owner_id else None
    manager_id = (member and member.manager_id) or (owner and owner.manager_id) or ""
    return Asker(user_id=user_id, manager_id=manager_id, owner_id=owner.user_id if owner else "", asked_at=asked_at)


def _person(member: MemberRow, joined: Mapping[str, datetime], chats: frozenset[Chat], *, may_decide: bool) -> Person:
    return Person(
        user_id=member.user_id,
        email=member.email,
        name=member.name,
        role=member.role,
        may_decide=may_decide,
        groups=joined,
        owner_id=member.owner_id or "",
        chats=chats,
    )


def _may_decide(db: Connection, org_id: str, user_id: str, targets: Iterable[Target]) -> bool:
    rights = rights_of(db, org_id, user_id)
    return rights.may(Action.APPROVALS_DECIDE) and not is_hidden_from(rights, targets)


def _named_chats(policy: Policy) -> set[Chat]:
    approvers = [named for gate in policy.gates for named in (gate.approvers, *(e.to for e in gate.escalate))]
    return {chat for named in approvers for chat in named.chat_users}
