"""Whom the approval policies in force name.

To become one of them takes the right to manage policies.

Otherwise whoever manages people or groups could bring about any approval: by joining the group that
a gate names, by giving somebody the role, by making the account whose address it names, or by
getting into the account of one of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.errors import NotAllowed
from opsicle.domain.policies import Approvers, Policy
from opsicle.domain.rights import Rights
from opsicle.domain.stored_templates import decode_approval
from opsicle.server.access.actor import Actor
from opsicle.server.policies.in_force import defaults, policy_of
from opsicle.server.store import chat_links, documents, groups, templates
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind
from opsicle.server.store.memberships import MemberRow


class ApproverNaming(msgspec.Struct, frozen=True, kw_only=True):
    """Ways in which a policy can name somebody. `chats` are ids of accounts of chat services."""

    email: str = ""
    role: str = ""
    groups: tuple[str, ...] = ()
    chats: tuple[str, ...] = ()


def require_policies_for(db: Connection, actor: Actor, naming: ApproverNaming, what: str) -> None:
    """Raise NotAllowed if a policy names this and the actor may not manage policies.

    `what` as in `add somebody`.
    """
    if by := refusal_reason(db, actor.org_id, actor.rights, naming):
        raise NotAllowed(
            f"you may not {what}: {by}, so that it takes `manage policies`",
            hint="Ask an admin of your org.",
        )


def require_policies_for_way_in(db: Connection, actor: Actor, member: MemberRow) -> None:
    """Raise NotAllowed before a way into an account that a policy names, without the right."""
    naming = ApproverNaming(
        email=member.email,
        role=member.role,
        groups=tuple(row.name for row in groups.list_of_user(db, actor.org_id, member.user_id)),
        chats=tuple(
            row.chat_user_id for row in chat_links.list_of_user(db, actor.org_id, member.user_id)
        ),
    )
    require_policies_for(db, actor, naming, f"change how {member.email} gets in")


def require_policies_to_leave(
    db: Connection, actor: Actor, what: str, *, role: str = "", group: str = ""
) -> None:
    """Raise NotAllowed if a policy would stop applying to who has this role or group.

    Otherwise whoever manages people could let somebody run unasked what they are asked about.
    """
    if actor.may(Action.POLICIES_MANAGE):
        return
    for found in defaults(db, actor.org_id):
        for asked in (scope.requesters for scope in found.policy.applies_to if scope.requesters):
            if role in asked.roles or group in asked.groups:
                raise NotAllowed(
                    f"you may not {what}: the policy {found.policy.name} is asked of whom you "
                    "would take out, so that it takes `manage policies`",
                    hint="Ask an admin of your org.",
                )


def refusal_reason(db: Connection, org_id: str, rights: Rights, naming: ApproverNaming) -> str:
    """Return why somebody with these rights may not make an approver so, "" if they may."""
    if rights.may(Action.POLICIES_MANAGE):
        return ""
    named = ((name, _how(approvers, naming)) for name, approvers in _in_force(db, org_id))
    return next((f"the {name} names {how}" for name, how in named if how), "")


def _how(approvers: Approvers, naming: ApproverNaming) -> str:
    if group := next((name for name in naming.groups if name in approvers.groups), ""):
        return f"the group {group}"
    if naming.role in approvers.roles:
        return f"the role {naming.role}"
    if naming.email in approvers.users:
        return naming.email

    return (
        "their chat account"
        if any(chat.id in naming.chats for chat in approvers.chat_users)
        else ""
    )


def _in_force(db: Connection, org_id: str) -> Iterable[tuple[str, Approvers]]:
    """Yield every set of approvers that a policy, or a template's own, names now or later."""
    for row in documents.list_by_name(db, DocumentKind.POLICY, org_id, "", -1):
        policy = policy_of(row)
        yield from ((f"approval policy {row.name}", approvers) for approvers in _named_in(policy))
    for template in templates.list_by_name(db, org_id, "", -1):
        use = decode_approval(template.header)
        if use and use.policy:
            yield from (
                (f"policy of the template {template.name}", each) for each in _named_in(use.policy)
            )


def _named_in(policy: Policy) -> Iterable[Approvers]:
    for gate in policy.gates:
        yield gate.approvers
        yield from (step.to for step in gate.escalate)
