"""What a plan has shown, as it is stored: bound when the plan ends, and compared from then on."""

from __future__ import annotations

from collections.abc import Callable

from opsicle.domain import stored_json
from opsicle.domain.manifests import digest
from opsicle.domain.plans import MAX_PLAN_LOG_BYTES, PlanEvidence
from opsicle.domain.templates import Phase, Template
from opsicle.server.channels.messages import Fact
from opsicle.server.store import jobs, plans
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow
from opsicle.wire.approval_api import PlannedPhase, ShownEvidence
from opsicle.wire.jobs import PhaseReport, outputs_of, summary_of

EVIDENCE_ALTERED = "what its plan has shown is not what is stored of it"
NOT_PLANNED = "its plan has not been carried out"

LOG_SLACK_BYTES = 64 * 1024
"""What a worker may say behind the limit, such as how much was left out."""

MAX_SHOWN_BYTES = 64 * 1024
"""Of the end of a log, beside an approval; the automation's page has all of it until it runs."""


class Evidence:
    """Reads what plans have shown. `read_log` returns the first so many bytes of a job's log."""

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
        if row.member_of:  # it was looked at when the whole began
            return ""
        if not row.evidence:
            return NOT_PLANNED if template.plan else ""
        job = plan_job(db, row)
        if job is None or self.of_job(job).digest != row.evidence:
            return EVIDENCE_ALTERED
        return ""

    def shown(self, db: Connection, row: AutomationRow, template: Template) -> ShownEvidence | None:
        """Return what an approver is shown; None without a plan, or without what it has left."""
        job = plan_job(db, row) if row.evidence else None
        if job is None:
            return None
        log = self.log_of(job)
        reports = stored_json.read_or(job.phases, list[PhaseReport], [])
        return ShownEvidence(
            digest=row.evidence,
            phases=[_phase(*each) for each in zip(template.plan, reports, strict=False)],
            outputs=outputs_of(reports),
            summary=summary_of(reports),
            log=log[-MAX_SHOWN_BYTES:].decode(errors="replace"),
            log_bytes=len(log),
            is_log_cut=len(log) > MAX_SHOWN_BYTES,
        )


def _phase(phase: Phase, report: PhaseReport) -> PlannedPhase:
    return PlannedPhase(
        name=phase.name,
        state=report.state,
        commands=list(phase.commands),
        exit_code=report.exit_code,
        explanation=report.explanation,
    )


def plan_facts(db: Connection, row: AutomationRow) -> tuple[Fact, ...]:
    """Return what a message says of a plan, in short; nothing without one."""
    job = plan_job(db, row) if row.evidence else None
    if job is None:
        return ()
    reports = stored_json.read_or(job.phases, list[PhaseReport], [])
    outputs = [f"{name}={value}" for name, value in outputs_of(reports).items()]
    lines = [*summary_of(reports).splitlines(), *outputs] or ["see its log on the page"]
    return (Fact("Its plan shows", "\n".join(lines)),)


def plan_job(db: Connection, row: AutomationRow) -> JobRow | None:
    """Return the job that has carried out an automation's plan, or None."""
    job_id = plans.find_job(db, row.id)
    return jobs.find(db, job_id) if job_id else None
