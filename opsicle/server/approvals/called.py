"""Approval of what an automation calls.

It is asked together with that of the automation itself, before anything of it begins: whatever the
called templates' policies ask, without their conditions, since the values are not known yet. When
something that was called is to begin, the decisions then given must be good for what is asked of it
on that day, with its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from opsicle.domain.approvals import ApprovalState, unmet
from opsicle.domain.bound_calls import BoundCall
from opsicle.domain.bound_fan_outs import BoundMember, MemberOf
from opsicle.domain.calls import MOST_CALLS, CalledBy
from opsicle.domain.errors import Conflict
from opsicle.domain.manifests import Manifest
from opsicle.domain.policies import Policy
from opsicle.domain.policy_parser import digest as policy_digest
from opsicle.domain.scopes import combined
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.template_parser import digest as template_digest
from opsicle.domain.templates import Template
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.approvers import ApproverDirectory, requester_of
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.cases import Case, gates_for, load
from opsicle.server.approvals.manifests import (
    called_by_of,
    calls_of,
    fan_out_of,
    machines_of,
    member_of,
)
from opsicle.server.approvals.pauses import require_passable
from opsicle.server.approvals.requester_refusal import requester_refusal
from opsicle.server.policies.in_force import InForce, in_force
from opsicle.server.store import approvals, audit, automations, documents
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind
from opsicle.server.targets.selection import targets_chosen


def with_called(
    db: Connection, row: AutomationRow, own: InForce | None, first_phase: int
) -> InForce | None:
    """Return what an automation and all that it calls have to pass; None if nothing.

    Raises Conflict for a policy that is not there.
    """
    bound = _all(each for each in calls_of(row) if each.phase >= first_phase)
    called = [
        (
            template_of(db, each.template_id, each.version),
            each.fan_out.members if each.fan_out else (),
        )
        for each in bound
    ]
    return _combined(db, row.org_id, row.requester_id, own, called)


def with_newest_called(
    db: Connection, org_id: str, requester_id: str, template: Template, own: InForce | None
) -> InForce | None:
    """Return the same for a template that is not run yet, as things are now.

    Raises Conflict also for one that calls more than may be called: an org's templates can lead to
    each other without end.
    """
    found: dict[str, Template] = {}
    to_visit = [template]
    while to_visit:
        for phase in to_visit.pop().phases:
            for call in phase.calls:
                row = documents.find(db, DocumentKind.TEMPLATE, org_id, call.template, call.version)
                if row and row.document_id not in found:
                    if len(found) == MOST_CALLS:
                        raise Conflict(f"more than {MOST_CALLS} templates would be called in all")
                    found[row.document_id] = decode_template(row.document)
                    to_visit.append(found[row.document_id])
    called = [(each, targets_chosen(db, org_id, each)) for each in found.values()]
    return _combined(db, org_id, requester_id, own, called)


def _combined(
    db: Connection,
    org_id: str,
    requester_id: str,
    own: InForce | None,
    called: Iterable[tuple[Template, Sequence[BoundMember]]],
) -> InForce | None:
    policies: dict[str, Policy] = {}
    for template, machines in called:
        found = in_force(db, org_id, template, requester_id, machines)
        if found and found.policy.gates:
            policy = _unconditional(found.policy, template.name)
            policies.setdefault(policy_digest(policy), policy)
    if not policies:
        return own

    mine = own.policy if own else None
    if mine and policy_digest(_unconditional(mine, "")) in policies:
        mine = None
    return InForce(combined([*([mine] if mine else []), *policies.values()]))


def require_agreed(
    db: Connection, bindings: Bindings, row: AutomationRow, template: Template
) -> None:
    """Raise Conflict for a new automation that is called and may not begin, as `called_refusal`.

    So for one that is a part of another one. Others are asked about themselves.
    """
    if not (row.called_by or row.member_of):
        return
    if row.called_by:
        require_passable(db, row, template, 0)
    if reason := called_refusal(db, bindings, row, template):
        raise Conflict(reason)


def called_refusal(
    db: Connection, bindings: Bindings, row: AutomationRow, template: Template
) -> str:
    """Return why an automation that was called, or is a part of another one, may not begin.

    Return "" if it may. Raises AlteredManifest where what is above it is not what was triggered.
    """
    if reason := requester_refusal(db, row, template):
        return reason
    case = _approval_above(db, bindings, row, template)
    try:
        now = in_force(db, row.org_id, template, row.requester_id, machines_of(row))
    except Conflict as error:
        return error.message
    gates = gates_for(now.policy, template, row) if now else ()
    if now is None or not gates:
        return ""
    if case is None:
        return f"{template.name} asks for approval since, and nobody was asked"
    requester = requester_of(
        db, row.org_id, row.requester_id, audit.last_seq(db, row.org_id)
    ).with_principal(row.principal_id)
    people = ApproverDirectory(db, row.org_id).people(now.policy, template, requester)
    reason = unmet(gates, case.votes, people, requester)
    return f"what was agreed to is not what {template.name} asks: {reason}" if reason else ""


def _approval_above(
    db: Connection, bindings: Bindings, row: AutomationRow, template: Template
) -> Case | None:
    """Return the approval that was given of an automation and all that it calls, None if none was.

    Each caller on the way up must be what was triggered, and have bound just this.
    """
    while above := called_by_of(row) or member_of(row):
        caller = automations.get(db, row.org_id, above.automation_id)
        of_caller = template_of(db, caller.template_id, caller.version)
        approval = approvals.find_of_automation(db, caller.id) if caller.approval_id else None
        manifest = bindings.check(db, caller, of_caller, approval).manifest
        if isinstance(above, MemberOf):
            if not _has_member(manifest, above, caller, row):
                raise AlteredManifest("what it is a part of is bound to run otherwise")
        elif not _has_bound(manifest.calls, above, row, template):
            raise AlteredManifest("what has called it is bound to call something else")
        if approval is not None:
            case = load(db, bindings, approval)
            if case.problem or approval.state is not ApprovalState.APPROVED:
                raise AlteredManifest(case.problem or f"the approval is {approval.state}")
            return case
        row, template = caller, of_caller
    return None


def _has_bound(
    calls: tuple[BoundCall, ...], at: CalledBy, row: AutomationRow, template: Template
) -> bool:
    return any(
        (each.phase, each.position) == (at.phase, at.position)
        and (each.template_id, each.version) == (row.template_id, row.version)
        and each.digest == template_digest(template)
        and (each.calls, each.fan_out) == (calls_of(row), fan_out_of(row))
        for each in calls
    )


def _has_member(manifest: Manifest, at: MemberOf, whole: AutomationRow, row: AutomationRow) -> bool:
    """Return whether an automation on several machines is bound to just this part of it."""
    fan_out = manifest.fan_out
    return (
        fan_out is not None
        and at.position < len(fan_out.members)
        and fan_out.members[at.position] == at.member
        and manifest.plan_outputs == at.plan_outputs
        and (whole.template_id, whole.version) == (row.template_id, row.version)
        and (whole.values_json, whole.calls) == (row.values_json, row.calls)
    )


def _all(calls: Iterable[BoundCall]) -> Iterator[BoundCall]:
    for call in calls:
        yield call
        yield from _all(call.calls)


def _unconditional(policy: Policy, template: str) -> Policy:
    """Return a policy of which each gate is asked, with a name that tells it from others."""
    return msgspec.structs.replace(
        policy,
        name=policy.name or (f"{template}'s own" if template else ""),
        gates=tuple(msgspec.structs.replace(gate, when=()) for gate in policy.gates),
        applies_to=(),
    )
