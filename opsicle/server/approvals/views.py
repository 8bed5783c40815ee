"""What people see of an approval, put together from its rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.approvals import ApprovalState, ApprovalStatus, GateStatus, satisfies_gate
from opsicle.domain.approvers import ApproverPerson as Member
from opsicle.domain.pauses import Answer, ApprovalKind
from opsicle.domain.templates import Template
from opsicle.domain.waiting_reasons import absence
from opsicle.domain.workers import Candidate, fits, is_meant
from opsicle.server.access.principals import is_answerable_for
from opsicle.server.access.shown_files import shown_files
from opsicle.server.access.stored_values import shown_values, stored_requirements
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.cases import Case
from opsicle.server.approvals.manifests import calls_of, fan_out_of
from opsicle.server.approvals.pauses import answer_of
from opsicle.server.approvals.policy_changes import policy_change
from opsicle.server.approvals.stuck import explanation_of, stuck_gates_of
from opsicle.server.documents.diffs import unified_diff
from opsicle.server.store import approvals, automations, files, templates
from opsicle.server.store.approvals import DecisionRow
from opsicle.server.store.database import Connection
from opsicle.wire.approval_api import (
    Approval,
    ApprovalSummary,
    Comparison,
    Decision,
    GateView,
    ValueChange,
)
from opsicle.wire.user_api import Person

MAX_DIFF_LINES = 4_000
"""Of both documents together: comparing more would hold up others."""


class Viewer(msgspec.Struct, frozen=True):
    """Who looks, and when."""

    user_id: str
    now: datetime


def votable(case: Case, status: ApprovalStatus, viewer: Viewer) -> list[GateStatus]:
    """Return the open gates on which the viewer may decide and has not."""
    if case.problem:
        return []
    me = case.people.get(viewer.user_id)
    if me is None:
        return []
    return [
        gate
        for gate in status.open_gates
        if case.may_decide(gate, me, viewer.now) and not case.has_decided(me, gate.gate.name)
    ]


def summary(case: Case, viewer: Viewer) -> ApprovalSummary:
    """Return an approval as it stands in a list."""
    row, automation = case.row, case.automation
    status = case.status(viewer.now)
    is_pending = row.state is ApprovalState.PENDING
    return ApprovalSummary(
        id=row.id,
        state=row.state,
        automation_id=row.automation_id,
        template=automation.template,
        version=automation.version,
        requester=Person(
            automation.requester_id, automation.requester_email, automation.requester_name
        ),
        reason=automation.reason,
        asked_at=row.asked_at,
        expires_at=min(
            (gate.expires_at for gate in status.open_gates if gate.expires_at), default=None
        )
        if is_pending
        else None,
        ended_at=row.ended_at,
        explanation=row.explanation,
        waiting_for=row.waiting_for,
        stuck=explanation_of(case, stuck_gates_of(case, status)) if is_pending else "",
        may_decide=is_pending and bool(votable(case, status, viewer)),
        kind=row.kind,
        phase=case.phase.name if case.phase else "",
    )


def whole(db: Connection, case: Case, viewer: Viewer, candidates: Sequence[Candidate]) -> Approval:
    """Return an approval with all that an approver needs to see."""
    row, automation, template = case.row, case.automation, case.template
    status = case.status(viewer.now)
    mine = votable(case, status, viewer) if row.state is ApprovalState.PENDING else []
    fan_out = None if case.problem else fan_out_of(automation)
    is_run, pause = row.kind is ApprovalKind.RUN, case.phase.pause if case.phase else None
    return Approval(
        **msgspec.structs.asdict(summary(case, viewer)),
        policy=row.policy_name,
        policy_version=row.policy_version,
        policy_digest=row.policy_digest,
        manifest_digest=row.manifest_digest,
        is_intact=not case.problem,
        policy_change="" if case.problem or not is_run else policy_change(db, case),
        order=case.policy.order,
        gates=[_gate(case, gate, viewer.now) for gate in status.gates],
        display_name=template.display_name,
        phases=list(template.phases),
        volume_mounts=list(template.volume_mounts),
        values=shown_values(automation.values_json),
        variables=list(template.variables),
        runs_on=template.runs_on,
        runs_on_where=template.runs_on_where,
        priority=automation.priority,
        concurrency_group=automation.concurrency_key,
        concurrency_limit=automation.concurrency_limit,
        workers=[each.shown for each in fan_out.members]
        if fan_out
        else _workers(automation.requirements, candidates),
        timeout=template.timeout,
        keep_workspace=template.keep_workspace,
        on_worker_lost=template.on_worker_lost,
        on_success=list(template.on_success),
        on_failure=list(template.on_failure),
        compared=_compared(db, case) if is_run else None,
        needs_totp=any(
            not satisfies_gate(gate.gate, with_mfa=False, has_reason=True) for gate in mine
        ),
        needs_reason=any(gate.gate.require_reason for gate in mine),
        may_withdraw=is_run
        and row.state is ApprovalState.PENDING
        and is_answerable_for(db, row.org_id, viewer.user_id, row.requester_id),
        message=pause.message if pause else "",
        resume_point=case.resume_point,
        calls=[] if case.problem else list(calls_of(automation)),
        fan_out=None if case.problem else fan_out,
        asked_variables=list(pause.variables) if pause else [],
        given={} if case.problem else answer_of(case).values,
        files=shown_files(files.list_of_automation(db, automation.id)),
        window="" if case.problem else case.window.text,
    )


def person(member: Member) -> Person:
    """Return a member as others see them."""
    return Person(member.user_id, member.email, member.name)


def _gate(case: Case, status: GateStatus, now: datetime) -> GateView:
    gate = status.gate
    is_waited_for = case.row.state is ApprovalState.PENDING and status.ended_at is None
    return GateView(
        name=gate.name,
        state=status.state,
        required=gate.required,
        rejections_to_end=gate.rejections_to_end,
        require_reason=gate.require_reason,
        require_mfa=gate.require_mfa,
        opened_at=status.opened_at,
        expires_at=status.expires_at,
        ended_at=status.ended_at,
        decisions=[_decision(each) for each in case.decisions if each.gate == gate.name],
        waits_for=[person(member) for member in case.pending_deciders(status, now)]
        if is_waited_for
        else [],
    )


def _decision(row: DecisionRow) -> Decision:
    return Decision(
        gate=row.gate,
        person=Person(row.user_id, row.email, row.name),
        verdict=row.verdict,
        reason=row.reason,
        with_mfa=row.with_mfa,
        decided_at=row.decided_at,
        choice=stored_json.read_or(row.answer, Answer, Answer()).choice if row.answer else None,
        not_before=row.not_before,
        not_after=row.not_after,
    )


def _workers(requirements: str, candidates: Sequence[Candidate]) -> list[str]:
    """Return the workers that fit, be they busy just now.

    Where none of them is there, those that are not, each with the reason.
    """
    asked = stored_requirements(requirements)
    able = [one for one in candidates if fits(asked, one) and is_meant(asked, one)]
    here = sorted(one.name for one in able if one.is_connected)
    return here or sorted(f"{one.name}, which {absence(one)}" for one in able)


def _compared(db: Connection, case: Case) -> Comparison | None:
    automation = case.automation
    last_id = approvals.find_last_run(db, automation.org_id, automation.template_id, automation.id)
    if last_id is None:
        return None

    last = automations.get(db, automation.org_id, last_id)
    before, after = (shown_values(each.values_json) for each in (last, automation))

    names = sorted({*before, *after})
    return Comparison(
        automation_id=last.id,
        version=last.version,
        diff=_diff(template_of(db, last.template_id, last.version), db, case, last.version),
        changed_values=[
            ValueChange(id=name, before=before.get(name), after=after.get(name))
            for name in names
            if before.get(name) != after.get(name)
        ],
    )


def _diff(old: Template, db: Connection, case: Case, old_version: int) -> str:
    automation = case.automation
    if old == case.template:
        return ""

    before, after = (
        templates.get_source(db, automation.template_id, version)
        for version in (old_version, automation.version)
    )
    old_name, new_name = (
        f"{automation.template} version {version}" for version in (old_version, automation.version)
    )
    found = unified_diff(before, after, (old_name, new_name), MAX_DIFF_LINES)
    return "the documents are too long to be compared here\n" if found is None else found
