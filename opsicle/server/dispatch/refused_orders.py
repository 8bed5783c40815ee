"""What becomes of a job whose worker will not carry out its order; nothing of it was run."""

from __future__ import annotations

from opsicle.domain.automations import AutomationState, JobState
from opsicle.domain.errors import Conflict
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import WorkerActor
from opsicle.server.channels.outbox import Outbox
from opsicle.server.dispatch.concurrency_groups import GroupChanges
from opsicle.server.dispatch.epoch_reports import EpochReports
from opsicle.server.dispatch.held_jobs import get_own
from opsicle.server.dispatch.job_outcomes import JobOutcomes, resource_of
from opsicle.server.dispatch.lease_service import LeaseService
from opsicle.server.store import audit, automation_transitions, jobs
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.jobs import JobRow
from opsicle.wire.jobs import MAX_EXPLANATION
from opsicle.wire.worker_api import RefuseRequest

UNTIMELY_ENDING = "is this worker's clock, or the server's, wrong?"
"""How the reason ends where an older worker, without a field for that, refused for the time."""


class RefusedOrders:
    """Takes back what this worker cannot run now; ends what no worker should run.

    What the server itself finds that must not run is ended in refusals.py.
    """

    def __init__(
        self,
        database: Database,
        lease_service: LeaseService,
        outcomes: JobOutcomes,
        outbox: Outbox,
        epoch_reports: EpochReports,
        clock: Clock,
    ) -> None:
        self._database = database
        self._lease_service = lease_service
        self._fleet = lease_service.fleet
        self._groups = lease_service.groups
        self._outcomes = outcomes
        self._outbox = outbox
        self._epoch_reports = epoch_reports
        self._clock = clock

    def record(self, worker: WorkerActor, job_id: str, request: RefuseRequest) -> JobRow:
        """Let the job wait again, or end its automation, and return the job as it was.

        One that was refused for its time, or for want of room, waits again: another worker's clock
        may be right, as may this one's later. So does one whose order is from an older state of the
        server; nothing is handed out by that any more. Raises LeaseLost if the lease has lapsed, or
        the worker has said so before; Conflict if the job has begun.
        """
        reason = request.reason[:MAX_EXPLANATION]
        is_untimely = request.is_untimely or request.reason.endswith(UNTIMELY_ENDING)
        is_outdated = request.newer_epoch is not None and self._epoch_reports.report_newer(
            worker, request.newer_epoch
        )

        if not (is_untimely or is_outdated or request.lacks_room):
            return self._end(worker, job_id, request.fence, reason)

        job = self._take_back(worker, job_id, request.fence, reason)
        if is_untimely:
            self._fleet.note_clock_refusal(worker.worker_id, request.sent_at_ms)
        if request.lacks_room:
            self._fleet.note_lack_of_room(worker.worker_id, job.automation_id, reason)
        if is_untimely or request.lacks_room:
            self._fleet.wake_org(job.org_id)
        return job

    def _take_back(self, worker: WorkerActor, job_id: str, fence: int, reason: str) -> JobRow:
        """Let a job wait again that this worker cannot run now."""

        def work(db: Connection) -> JobRow:
            job = _get_leased(db, worker, job_id, fence)
            self._outcomes.lose(db, job, worker, reason)
            return job

        return self._database.write(work)

    def _end(self, worker: WorkerActor, job_id: str, fence: int, reason: str) -> JobRow:
        """End an automation whose order is not what its worker may run."""
        explanation = f"worker {worker.name} refused to run it: {reason}"
        data = {"job": job_id, "reason": reason}
        changes = GroupChanges()

        def work(db: Connection) -> JobRow:
            now = self._clock.now()
            job = _get_leased(db, worker, job_id, fence)
            if job.pause_id:
                self._lease_service.paused.refuse(db, job, worker, explanation)
            else:
                jobs.give_back(db, job_id, now)
                automation_transitions.refuse(db, job.automation_id, job_id, now, explanation)
                self._outbox.post_finished(
                    db, job.org_id, job.automation_id, AutomationState.CANCELLED
                )
            audit.append(db, now, job.org_id, worker, "refuse_order", resource_of(job), data)
            self._groups.advance(db, changes)
            return job

        job = self._database.write(work)
        self._groups.announce(changes)
        return job


def _get_leased(db: Connection, worker: WorkerActor, job_id: str, fence: int) -> JobRow:
    """Return the job, if it has not begun."""
    job = get_own(db, worker, job_id, fence)
    if job.state != JobState.LEASED:
        raise Conflict(
            f"job {job_id} is {job.state} and cannot be refused any more", hint="Drop it."
        )
    return job
