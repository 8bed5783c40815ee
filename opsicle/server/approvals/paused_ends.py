"""What becomes of a paused automation that does not go on.

Where clean-up phases are left, or its folder on a target, that is its worker's to do, and it stays
paused until that takes it up. Where nothing is, or the worker is gone for good, it ends at once.
Everything is inside a transaction.
"""

from __future__ import annotations

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.approvals import ApprovalState
from opsicle.domain.automations import AutomationState, JobState
from opsicle.domain.pauses import ApprovalKind, leaves_work
from opsicle.domain.templates import Template
from opsicle.server.access.actor import Actor, SystemActor, WorkerActor
from opsicle.server.approvals.record_of_ends import recorded_outputs
from opsicle.server.store import audit, jobs, pauses, workers
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automation_transitions import Ending
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow
from opsicle.wire.jobs import PhaseReport, StepState, phases_digest

_ENDS = {
    (ApprovalKind.PAUSE, ApprovalState.REJECTED): AutomationState.REJECTED,
    (ApprovalKind.PAUSE, ApprovalState.EXPIRED): AutomationState.EXPIRED,
    (ApprovalKind.FAILURE, ApprovalState.REJECTED): AutomationState.FAILED,
    (ApprovalKind.FAILURE, ApprovalState.EXPIRED): AutomationState.FAILED,
}


def end_state(kind: ApprovalKind, state: ApprovalState) -> AutomationState:
    """Return how an automation ends whose pause has ended so; cancelled where nobody decided it."""
    return _ENDS.get((kind, state), AutomationState.CANCELLED)


def is_worker_gone(db: Connection, job: JobRow) -> bool:
    """Return whether a job's worker will never come back."""
    row = workers.find_by_id(db, job.worker_id)
    return row is None or row.state == "revoked"


def end_if_nothing_is_left(
    db: Connection, row: ApprovalRow, template: Template | None, ending: Ending
) -> bool:
    """End the automation of a pause that was not passed, if nothing more of it can be run.

    Return whether it has ended. Without a template, nothing more of it may be run.
    """
    job = jobs.find(db, row.job_id or "")
    if job is None or job.pause_id != row.id:
        return False
    is_left = template is not None and leaves_work(template, row.phase or 0)
    if is_left and not is_worker_gone(db, job):
        return False
    return end(db, job, ending, SystemActor())


def end(
    db: Connection, job: JobRow, ending: Ending, actor: Actor | SystemActor | WorkerActor
) -> bool:
    """End a paused job and its automation, of which nothing more is run. False if neither waits."""
    reports = stored_json.read_or(job.phases, list[PhaseReport], [])
    failed = [each for each in reports if each.state is StepState.FAILED]
    if ending.state == AutomationState.FAILED and failed:
        ending = Ending(ending.state, ending.at, failed[-1].exit_code, ending.explanation)
    is_failed = ending.state == AutomationState.FAILED
    of_job = Ending(
        JobState.FAILED if is_failed else JobState.CANCELLED,
        ending.at,
        ending.exit_code,
        ending.explanation,
    )
    if not (
        pauses.end_job(db, job.id, of_job) and pauses.end_automation(db, job.automation_id, ending)
    ):
        return False

    for report in reports:
        if report.state in {StepState.PENDING, StepState.RUNNING}:
            report.state = StepState.SKIPPED
    jobs.record_phases(db, job.id, msgspec.json.encode(reports).decode())
    data = {"job": job.id, "state": ending.state, "exit_code": ending.exit_code}
    data |= {"phases": phases_digest(reports), **recorded_outputs(reports)}
    resource = f"automations/{job.automation_id}"
    audit.append(db, ending.at, job.org_id, actor, "finish", resource, data)
    return True
