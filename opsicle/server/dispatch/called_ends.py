"""How a job goes on that has waited for what it called."""

from __future__ import annotations

from collections.abc import Sequence

from opsicle.domain import stored_json
from opsicle.domain.automations import AutomationState
from opsicle.domain.outputs import MAX_ALL_OUTPUTS_BYTES
from opsicle.domain.pauses import Resume, ResumeVerdict
from opsicle.domain.templates import Phase
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.passed_calls import require_call_ended
from opsicle.server.approvals.pauses import earlier_values
from opsicle.server.approvals.record_of_ends import (
    recorded_reports,
    wait_contradiction,
)
from opsicle.server.store import calls, jobs
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.calls import CalledRow, CallWaitRow
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow
from opsicle.wire.jobs import PhaseOutput, PhaseReport

_SUCCEEDED = AutomationState.SUCCEEDED


def resume_of_call(
    db: Connection, bindings: Bindings, row: AutomationRow, job: JobRow, wait: CallWaitRow
) -> Resume:
    """Return how a job goes on whose calls are over, by what they are and have left.

    Raises AlteredManifest where what is stored is not what was called, or the record says
    otherwise.
    """
    template = template_of(db, row.template_id, row.version)
    if (wait.automation_id, wait.job_id) != (row.id, job.id) or wait.phase >= len(template.phases):
        raise AlteredManifest("what is stored of its calls is not what it has called")
    if reason := wait_contradiction(db, row, wait.id):
        raise AlteredManifest(reason)

    phase = template.phases[wait.phase]
    called = calls.list_of_wait(db, wait.id)
    if [(each.position, each.template) for each in called] != [
        (position, call.template) for position, call in enumerate(phase.calls)
    ]:
        raise AlteredManifest("what is stored of its calls is not what it has called")

    outputs: dict[str, str] = {}
    if row.cancel_requested_at is not None and not wait.is_after_cancel:
        verdict, reason = ResumeVerdict.STOP, "the automation was cancelled"
    elif reason := _failures(called):
        verdict = ResumeVerdict.FAIL
    else:
        left = [each for one in called for each in _left_by(db, bindings, wait, one)]
        outputs, reason = _handed_on(phase, left, job)
        verdict = ResumeVerdict.FAIL if reason else ResumeVerdict.CONTINUE
    return Resume(
        approval_id=wait.id,
        phase=wait.phase,
        paused_fence=wait.fence,
        verdict=verdict,
        reason=reason or f"what phase {phase.name} has called succeeded",
        values=earlier_values(db, bindings, row, job),
        decisions=(),
        outputs=outputs,
    )


def _failures(called: Sequence[CalledRow]) -> str:
    """Say which calls did not succeed, and how they ended; "" if all did."""
    return "; ".join(
        f"{each.template} could not start: {each.reason}"
        if each.automation_id is None
        else f"{each.template} ended {each.automation_state} ({each.automation_id})"
        for each in called
        if each.automation_state != _SUCCEEDED
    )


def _left_by(
    db: Connection, bindings: Bindings, wait: CallWaitRow, call: CalledRow
) -> list[PhaseOutput]:
    """Return what a called automation has left, once it is sure that it is that, and has ended."""
    row = require_call_ended(db, bindings, wait, call)
    reports = recorded_reports(db, row, jobs.find(db, row.job_id or ""))
    return [output for report in reports for output in report.outputs]


def _handed_on(
    phase: Phase, left: Sequence[PhaseOutput], job: JobRow
) -> tuple[dict[str, str], str]:
    """Return the outputs that a phase hands on from what it called, and "" or why it cannot."""
    wanted = [output for output in left if output.name in phase.outputs]
    if masked := [output.name for output in wanted if output.is_masked]:
        return {}, f"the output {masked[0]} holds a secret, so it is not passed on"

    outputs = {output.name: output.value for output in wanted}
    reports = stored_json.read(job.phases, list[PhaseReport], "its outputs")
    before = [(each.name, each.value) for report in reports for each in report.outputs]
    if sum(len(f"{n}{v}".encode()) for n, v in [*before, *outputs.items()]) > MAX_ALL_OUTPUTS_BYTES:
        return {}, "with what comes back the outputs of the job are too large"
    return outputs, ""
