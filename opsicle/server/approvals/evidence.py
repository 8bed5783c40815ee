"""What a plan has shown, as it is stored: bound when the plan ends, and compared from then on."""

from __future__ import annotations

from collections.abc import Callable

from opsicle.domain.manifests import digest
from opsicle.domain.plans import MAX_PLAN_LOG_BYTES, PlanEvidence
from opsicle.domain.templates import Template
from opsicle.server.store import jobs, plans
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow

EVIDENCE_ALTERED = "what its plan has shown is not what is stored of it"
NOT_PLANNED = "its plan has not been carried out"

LOG_SLACK_BYTES = 64 * 1024
"""What a worker may say behind the limit, such as how much was left out."""


class Evidence:
    """Reads it. `read_log` returns the beginning of a job's log, so many bytes of it."""

    def __init__(self, read_log: Callable[[str, int], bytes]) -> None:
        self._read_log = read_log

    def log_of(self, job: JobRow) -> bytes:
        """Return the log of a plan, and a byte too much of one that is too long."""
        return self._read_log(job.id, MAX_PLAN_LOG_BYTES + LOG_SLACK_BYTES + 1)

    def of_job(self, job: JobRow) -> PlanEvidence:
        """Return what a job has shown that has ended."""
        log = self.log_of(job)
        return PlanEvidence(
            automation_id=job.automation_id,
            job_id=job.id,
            worker_id=job.worker_id,
            fence=job.fence,
            exit_code=job.exit_code,
            phases=job.phases,
            log_bytes=len(log),
            log_digest=digest(log),
        )

    def is_too_long(self, evidence: PlanEvidence) -> bool:
        """Return whether nobody could be shown all of it."""
        return evidence.log_bytes > MAX_PLAN_LOG_BYTES + LOG_SLACK_BYTES

    def problem(self, db: Connection, row: AutomationRow, template: Template) -> str:
        """Return why what is stored of a plan is not what was bound; "" if all is as it was."""
        if not row.evidence:
            return NOT_PLANNED if template.plan else ""
        job = plan_job(db, row)
        if job is None or self.of_job(job).digest != row.evidence:
            return EVIDENCE_ALTERED
        return ""


def plan_job(db: Connection, row: AutomationRow) -> JobRow | None:
    """Return the job that has carried out an automation's plan, or None."""
    job_id = plans.find_job(db, row.id)
    return jobs.find(db, job_id) if job_id else None
