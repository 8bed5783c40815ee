"""Which job a worker may speak of: one of which it holds, or held, the newest lease."""

from __future__ import annotations

from opsicle.domain.automations import JobState
from opsicle.domain.errors import LeaseLost
from opsicle.server.access.actor import WorkerActor
from opsicle.server.dispatch.job_outcomes import ANSWERABLE
from opsicle.server.dispatch.unknown_jobs import UnknownJob
from opsicle.server.store import jobs
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow


def get_own(db: Connection, worker: WorkerActor, job_id: str, fence: int) -> JobRow:
    """Return the job, if this worker holds or held its newest lease. Raises LeaseLost."""
    job = jobs.find(db, job_id)
    if job is None or job.worker_id != worker.worker_id:  # nobody learns which jobs others have
        raise UnknownJob.of(job_id)
    if job.fence != fence or not job.is_newest:
        raise LeaseLost.of(job_id)
    if job.state == JobState.RETURNED:
        raise LeaseLost.of(job_id)
    return job


def get_answerable(db: Connection, worker: WorkerActor, job_id: str, fence: int) -> JobRow:
    """Return the job, if this worker may still say what it does and leaves. Raises LeaseLost."""
    job = get_own(db, worker, job_id, fence)
    if job.state not in ANSWERABLE:
        raise LeaseLost.of(job_id)
    return job
