"""The people of an org as the engine of approvals sees them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.approvers import ApprovalRequester, ApproverPerson
from opsicle.domain.policies import Chat, Policy
from opsicle.domain.rights import Rights
from opsicle.domain.rules import NamedResource
from opsicle.domain.templates import Template
from opsicle.server.access.principals import account_of, accounts_of
from opsicle.server.access.rights import OrgRights
from opsicle.server.access.template_access import is_hidden_from, resources_of
from opsicle.server.store import chat_links, groups, memberships
from opsicle.server.store.database import Connection
from opsicle.server.store.memberships import MemberSelection


class _Names(msgspec.Struct, frozen=True):
    """Whom a policy names, save for managers: they differ from requester to requester."""

    users: frozenset[str]
    groups: frozenset[str]
    roles: frozenset[str]
    chats: frozenset[Chat]


class _TemplateView(msgspec.Struct, frozen=True):
    """A template as rules see it; its newest version is the same throughout a transaction."""

    name: str
    labels: frozenset[tuple[str, str]]


class ApproverDirectory:
    """The people of an org as one transaction sees them; it must not outlive that.

    Whom several approvals name is looked up once: what it costs grows with those who are named, not
    with the org.
    """

    def __init__(self, db: Connection, org_id: str) -> None:
        self._db = db
        self._org_id = org_id
        self._org_rights: OrgRights | None = None
        self._targets: dict[_TemplateView, list[NamedResource]] = {}
        self._found: dict[tuple[_TemplateView, _Names], dict[str, ApproverPerson]] = {}

    def people(
        self, policy: Policy, template: Template, requester: ApprovalRequester
    ) -> dict[str, ApproverPerson]:
        """Return the enabled members, by id, whom a gate can name, with their chat accounts.

        Whoever asked, their manager and the accounts that they answer for are among them in any
        case. Whoever may not see the template decides on nothing that runs it.
        """
        names, template_view = (
            _names_in(policy),
            _TemplateView(template.name, frozenset(template.labels.items())),
        )
        if template_view not in self._targets:
            self._targets[template_view] = resources_of(
                self._db, self._org_id, template.name, template.labels
            )
        targets = self._targets[template_view]
        if (template_view, names) not in self._found:
            self._found[template_view, names] = self._named(names, targets)
        named = self._found[template_view, names]
        around = tuple((requester.identities | {requester.manager_id}) - {""})
        own = self._load(
            MemberSelection(user_ids=around, owner_ids=tuple(requester.identities)), {}, targets
        )
        if own.keys() <= named.keys():
            return named
        return {
            person.user_id: person
            for person in sorted((own | named).values(), key=lambda each: each.email)
        }

    def _named(self, names: _Names, targets: Iterable[NamedResource]) -> dict[str, ApproverPerson]:
        chats: dict[str, set[Chat]] = {}
        for chat in names.chats:
            if user_id := chat_links.find_user(self._db, self._org_id, chat.channel, chat.id):
                chats.setdefault(user_id, set()).add(chat)
        named = MemberSelection(
            user_ids=tuple(chats),
            emails=tuple(names.users),
            roles=tuple(names.roles),
            groups=tuple(names.groups),
        )
        return self._load(named, chats, targets)

    def _load(
        self, named: MemberSelection, chats: dict[str, set[Chat]], targets: Iterable[NamedResource]
    ) -> dict[str, ApproverPerson]:
        members = {
            member.user_id: member
            for member in memberships.list_named(self._db, self._org_id, named)
        }
        joined = groups.list_joined(self._db, self._org_id, members)
        book = self._org_rights = self._org_rights or OrgRights(self._db, self._org_id)
        accounts = accounts_of(self._db, self._org_id, members)
        return {
            user_id: ApproverPerson(
                user_id=user_id,
                owner_id=member.owner_id or "",
                past_owner_ids=accounts[user_id].past_owner_ids,
                email=member.email,
                name=member.name,
                role=member.role,
                may_decide=_may_decide(book.rights(user_id, members, joined), targets),
                role_seq=member.role_seq,
                deciding_seq=book.deciding_seq(user_id, members, joined),
                groups=joined.get(user_id, {}),
                chats=frozenset(chats.get(user_id, ())),
            )
            for user_id, member in members.items()
            if member.is_enabled
        }


def requester_of(db: Connection, org_id: str, user_id: str, asked_seq: int) -> ApprovalRequester:
    """Return who asked, with who answered for them then, and their manager of today.

    A service account's manager is its own, or else its owner's.
    """
    account = account_of(db, org_id, user_id, asked_seq)
    member = memberships.find(db, org_id, user_id)
    owner = memberships.find(db, org_id, account.owner_id) if account.owner_id else None
    return ApprovalRequester(
        user_id=user_id,
        owner_id=account.owner_id,
        past_owner_ids=account.past_owner_ids
        | ({member.owner_id} if member and member.owner_id else set()),
        manager_id=(member and member.manager_id) or (owner and owner.manager_id) or "",
        asked_seq=asked_seq,
    )


def _may_decide(rights: Rights, targets: Iterable[NamedResource]) -> bool:
    return rights.decide(Action.APPROVALS_DECIDE).is_allowed and not is_hidden_from(rights, targets)


def _names_in(policy: Policy) -> _Names:
    named = [
        each
        for gate in policy.gates
        for each in (gate.approvers, *(step.to for step in gate.escalate))
    ]
    return _Names(
        users=frozenset(email for each in named for email in each.users),
        groups=frozenset(name for each in named for name in each.groups),
        roles=frozenset(role for each in named for role in each.roles),
        chats=frozenset(chat for each in named for chat in each.chat_users),
    )
