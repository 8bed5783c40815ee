"""People who are asked in the midst of a job: asking them, and how the job goes on from there.

Everything is inside a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from opsicle.domain import approvals as engine
from opsicle.domain import stored_json
from opsicle.domain.approvals import ApprovalState, Verdict, unmet
from opsicle.domain.approvers import gates_problem
from opsicle.domain.errors import Conflict
from opsicle.domain.pauses import (
    Answer,
    ApprovalKind,
    Resume,
    ResumeDecision,
    ResumeVerdict,
    gate_of,
    kind_of,
)
from opsicle.domain.policies import Policy
from opsicle.domain.policy_parser import digest
from opsicle.domain.templates import Phase, Template, Value
from opsicle.kit.ids import new_id
from opsicle.server.approvals.approvers import ApproverDirectory, requester_of
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.cases import Case, load, load_unaltered
from opsicle.server.approvals.record_of_ends import pause_contradiction
from opsicle.server.store import approvals, audit, memberships
from opsicle.server.store.approvals import ApprovalRow, DecisionRow
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow

NOT_HELD = "the decisions no longer hold"


def require_passable(
    db: Connection, row: AutomationRow, template: Template, first_phase: int
) -> None:
    """Raise Conflict if a new automation would ask people in its midst who could never answer."""
    with_pause = [phase for phase in template.phases[first_phase:] if kind_of(phase)]
    if not with_pause:
        return
    requester = requester_of(db, row.org_id, row.requester_id, audit.last_seq(db, row.org_id))
    directory = ApproverDirectory(db, row.org_id)
    for phase in with_pause:
        policy = _policy_of(db, row, phase)
        people = directory.people(policy, template, requester)
        if problem := gates_problem(policy.gates, people.values(), requester):
            raise Conflict(
                f"phase {phase.name} of {template.name} could never go on: {problem}",
                hint="Change whom the phase asks, or who is whose manager, role and group.",
            )


def draft(
    db: Connection, row: AutomationRow, template: Template, job: JobRow, phase: int, now: datetime
) -> ApprovalRow:
    """Return what is asked at a phase of a job, before this server has put its code to it.

    Raises Conflict for a phase at which nobody is asked.
    """
    kind = kind_of(template.phases[phase]) if phase < len(template.phases) else None
    if kind is None:
        raise Conflict(f"job {job.id} has no pause at its phase {phase}", hint="Drop it.")
    policy = _policy_of(db, row, template.phases[phase])
    return ApprovalRow(
        id=new_id(now),
        org_id=row.org_id,
        automation_id=row.id,
        state=ApprovalState.PENDING,
        policy_id="",
        policy_name="",
        policy_version=0,
        policy_digest=digest(policy),
        policy=msgspec.json.encode(policy).decode(),
        manifest_digest=row.manifest_digest,
        requester_id=row.requester_id,
        asked_at=now,
        asked_seq=audit.last_seq(db, row.org_id),
        kind=kind,
        job_id=job.id,
        phase=phase,
        fence=job.fence,
    )


def _policy_of(db: Connection, row: AutomationRow, phase: Phase) -> Policy:
    """Return who decides how a job goes on from a phase, as a policy of one gate."""
    principal = memberships.find(db, row.org_id, row.principal_id)
    emails = (row.requester_email, principal.email if principal else "")
    requesters = tuple(dict.fromkeys(email.lower() for email in emails if email))
    return Policy(gates=(gate_of(phase, requesters),))


def answer_of(case: Case) -> Answer:
    """Return what was given with the decisions so far: all who agree have agreed to the same."""
    for decision in case.decisions:
        if decision.verdict is Verdict.APPROVE and decision.answer:
            return stored_json.read(decision.answer, Answer, "an answer")
    return Answer()


def verdict_of(case: Case, *, is_cancelled: bool) -> ResumeVerdict:
    """Return how a job goes on whose pause is over."""
    row = case.row
    if is_cancelled or row.state is ApprovalState.WITHDRAWN:
        return ResumeVerdict.STOP
    is_approved = row.state is ApprovalState.APPROVED
    if row.kind is ApprovalKind.PAUSE:
        return ResumeVerdict.CONTINUE if is_approved else ResumeVerdict.STOP
    choice = answer_of(case).choice
    return ResumeVerdict(choice) if is_approved and choice else ResumeVerdict.ABORT


def resume_of(db: Connection, bindings: Bindings, row: AutomationRow, job: JobRow) -> Resume:
    """Return how a job goes on, once that has been found to be what people have decided.

    Raises AlteredManifest where what is stored is not what was asked or decided, or the record says
    otherwise: then it does not go on.
    """
    asked = _intact_cases(db, bindings, row, job)
    newest = asked[-1]
    if reason := pause_contradiction(db, row, newest):
        raise AlteredManifest(reason)
    verdict = verdict_of(newest, is_cancelled=row.cancel_requested_at is not None)
    reason = newest.row.explanation or _decision_text(newest, verdict)
    if verdict in {ResumeVerdict.CONTINUE, ResumeVerdict.RETRY, ResumeVerdict.SKIP}:
        require_decided(newest)
        if why := unmet(newest.gates, newest.votes, newest.people, newest.requester):
            verdict, reason = ResumeVerdict.STOP, f"{NOT_HELD}: {why}"

    assert newest.row.phase is not None
    assert newest.row.fence is not None
    return Resume(
        approval_id=newest.row.id,
        phase=newest.row.phase,
        paused_fence=newest.row.fence,
        verdict=verdict,
        reason=reason,
        values=_values(asked),
        decisions=tuple(_resume_decision(each) for each in newest.decisions),
    )


def _intact_cases(
    db: Connection, bindings: Bindings, row: AutomationRow, job: JobRow
) -> list[Case]:
    """Return what the job has asked so far, the newest last, if that is as it was asked."""
    asked = [load(db, bindings, each) for each in approvals.list_pauses(db, row.id, job.id)]
    if not asked or asked[-1].row.id != job.pause_id:
        raise AlteredManifest("what is stored of its pause is not what was asked")
    for case in asked:
        if case.problem:
            raise AlteredManifest(case.problem)
    return asked


def _resume_decision(made: DecisionRow) -> ResumeDecision:
    return ResumeDecision(
        user_id=made.user_id,
        email=made.email,
        principal_id=made.principal,
        decision=made.verdict,
        with_mfa=made.with_mfa,
    )


def earlier_values(
    db: Connection, bindings: Bindings, row: AutomationRow, job: JobRow
) -> dict[str, Value]:
    """Return what people have given at the pauses of a job so far.

    Raises AlteredManifest where what is stored of one is not what was asked or decided.
    """
    asked = approvals.list_pauses(db, row.id, job.id)
    return _values([load_unaltered(db, bindings, each) for each in asked])


def require_decided(case: Case) -> None:
    """Raise AlteredManifest unless the decisions themselves say what the approval's row does."""
    row = case.row
    seen = engine.status(
        case.gates, case.policy.order, case.votes, row.asked_at, row.ended_at or row.asked_at
    )
    if seen.state is not ApprovalState.APPROVED:
        raise AlteredManifest("by the decisions that are stored nobody has let it go on")


def _values(cases: Iterable[Case]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for case in cases:
        if case.row.state is ApprovalState.APPROVED and case.row.kind is ApprovalKind.PAUSE:
            values |= answer_of(case).values
    return values


def _decision_text(case: Case, verdict: ResumeVerdict) -> str:
    """Return who has decided, for the log and the page: "skip, by bob@example.com: too slow"."""
    people = ", ".join(
        each.email + (f" ({each.reason})" if each.reason else "") for each in case.decisions
    )
    return f"{verdict}, by {people}" if people else str(verdict)
