"""The people of an org as the engine of approvals sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from opsicle.domain.access import Action
from opsicle.domain.approvers import Asker, Person
from opsicle.domain.policies import Chat, Policy
from opsicle.server.services.rights import rights_of
from opsicle.server.store import memberships
from opsicle.server.store.database import Connection
from opsicle.server.store.memberships import MemberRow


def linked_user(_db: Connection, _org_id: str, _chat: Chat) -> str | None:
    """The user to whom an account of a chat service is linked. Nobody is linked yet, so that it is nobody's."""
    return None


def groups_of(_db: Connection, _org_id: str, _user_id: str) -> Mapping[str, datetime]:
    """The groups of a user, with when they joined each. There are no groups yet, so that nobody is in one."""
    return {}


def owner_of(_db: Connection, _org_id: str, _user_id: str) -> str:
    """Who owns a service account; "" for a person. There are no service accounts yet."""
    return ""


def people_of(db: Connection, org_id: str, policies: Iterable[Policy]) -> dict[str, Person]:
    """The enabled members of an org by id, with the chat accounts that these policies name."""
    chats: dict[str, set[Chat]] = {}
    for chat in _named_chats(policies):
        if user_id := linked_user(db, org_id, chat):
            chats.setdefault(user_id, set()).add(chat)
    members = memberships.list_members(db, org_id, "", limit=-1)
    return {
        member.user_id: _person(db, org_id, member, frozenset(chats.get(member.user_id, ())))
        for member in members
        if not member.is_disabled
    }


def asker_of(db: Connection, org_id: str, user_id: str, asked_at: datetime) -> Asker:
    """Who asked, with their manager of today."""
    member = memberships.find(db, org_id, user_id)
    manager_id = member.manager_id if member else None
    owner_id = owner_of(db, org_id, user_id)
    return Asker(user_id=user_id, manager_id=manager_id or "", owner_id=owner_id, asked_at=asked_at)


def _person(db: Connection, org_id: str, member: MemberRow, chats: frozenset[Chat]) -> Person:
    return Person(
        user_id=member.user_id,
        email=member.email,
        name=member.name,
        role=member.role,
        may_decide=rights_of(db, org_id, member.user_id).may(Action.APPROVALS_DECIDE),
        groups=groups_of(db, org_id, member.user_id),
        owner_id=owner_of(db, org_id, member.user_id),
        chats=chats,
    )


def _named_chats(policies: Iterable[Policy]) -> set[Chat]:
    approvers = [
        named
        for policy in policies
        for gate in policy.gates
        for named in (gate.approvers, *(e.to for e in gate.escalate))
    ]
    return {chat for named in approvers for chat in named.chat_users}
