"""Saying beforehand who would have to agree, before anything is triggered."""

from __future__ import annotations

from collections.abc import Collection

from opsicle.domain.access import Action
from opsicle.domain.approvers import (
    ApprovalRequester,
    ApproverPerson,
    deciders,
    gates_problem,
)
from opsicle.domain.errors import Conflict, NotFound, required
from opsicle.domain.policies import Gate
from opsicle.domain.stored_templates import decode_template
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found
from opsicle.server.access.template_access import is_hidden
from opsicle.server.approvals.approvers import ApproverDirectory, requester_of
from opsicle.server.approvals.called import with_newest_called
from opsicle.server.approvals.views import person
from opsicle.server.policies.in_force import in_force
from opsicle.server.store import audit, memberships
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.server.targets.selection import targets_chosen
from opsicle.wire.approval_api import ApprovalNeed, GateNeed


def need_of(
    db: Connection, actor: Actor, version: VersionRow, id_or_email: str = ""
) -> ApprovalNeed:
    """Return who would have to agree if this person, or another one, ran the template now.

    Gates with conditions are shown as such. What is asked for what it calls is among it.

    Raises NotFound for a template that the actor may not see, and for a requester, by id or e-mail,
    who does not belong to the org; NotAllowed for one whom the actor may not see.
    """
    user_id = _requester_id(db, actor, id_or_email) if id_or_email else actor.user_id
    template = decode_template(version.document)
    if is_hidden(db, actor, template.name, template.labels):
        raise document_not_found(DocumentKind.TEMPLATE, template.name)

    try:
        machines = targets_chosen(db, actor.org_id, template)
        own = in_force(db, actor.org_id, template, user_id, machines)
        found = with_newest_called(db, actor.org_id, user_id, template, own)
    except Conflict as error:
        return ApprovalNeed(is_needed=True, problem=error.message)
    if found is None:
        return ApprovalNeed(is_needed=False)

    policy = found.policy
    requester = requester_of(db, actor.org_id, user_id, audit.last_seq(db, actor.org_id))
    people = ApproverDirectory(db, actor.org_id).people(policy, template, requester)

    always = [gate for gate in policy.gates if not gate.when]

    return ApprovalNeed(
        is_needed=True,
        policy=policy.name,
        is_default=found.is_default,
        order=policy.order,
        gates=[_gate_need(gate, people.values(), requester) for gate in policy.gates],
        problem=gates_problem(always, people.values(), requester),
    )


def _gate_need(
    gate: Gate, people: Collection[ApproverPerson], requester: ApprovalRequester
) -> GateNeed:
    return GateNeed(
        name=gate.name,
        required=gate.required,
        require_mfa=gate.require_mfa,
        is_conditional=bool(gate.when),
        people=[person(member) for member in deciders(gate, people, requester, 0)],
    )


def _requester_id(db: Connection, actor: Actor, requester: str) -> str:
    actor.require(Action.USERS_VIEW)
    member = required(
        memberships.find(db, actor.org_id, requester),
        NotFound(f"nobody in the org is {requester}", hint="`opsicle users list` shows them."),
    )
    return member.user_id
