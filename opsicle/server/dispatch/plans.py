"""The end of a plan: what it has shown is bound, and people are asked; or else nobody is.

Everything is inside the transaction of whoever learned of the end.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import replace

from opsicle.domain import stored_json
from opsicle.domain.automations import AutomationState, JobState, WorkerLost
from opsicle.domain.errors import Conflict, LeaseLost, NotFound
from opsicle.domain.plans import MAX_PLAN_LOG_BYTES, PLAN_FAILED
from opsicle.domain.workers import encoded, requirements
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import SystemActor, WorkerActor
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals.bindings import UNREADABLE, AlteredManifest, Bindings
from opsicle.server.approvals.evidence import Evidence
from opsicle.server.approvals.requests import ApprovalRequests
from opsicle.server.channels.outbox import Outbox
from opsicle.server.store import audit, automation_transitions, automations, jobs, plans
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automation_transitions import Ending
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow
from opsicle.wire.jobs import MAX_EXPLANATION, Outcome, PhaseReport, masked_outputs


class Plans:
    """Moves automations on from their plans."""

    def __init__(
        self,
        requests: ApprovalRequests,
        bindings: Bindings,
        evidence: Evidence,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._requests = requests
        self._bindings = bindings
        self._evidence = evidence
        self._outbox = outbox
        self._clock = clock

    def record(self, db: Connection, job: JobRow, worker: WorkerActor, outcome: Outcome) -> JobRow:
        """Record how a plan went, by its worker's word; its automation goes on, or ends.

        What comes after the plan was taken for lost is kept beside the job, and changes nothing
        more. Raises LeaseLost where the lease has passed on.
        """
        explanation = outcome.explanation[:MAX_EXPLANATION]
        ending = Ending(outcome.state, self._clock.now(), outcome.exit_code, explanation)
        phases = msgspec.json.encode(outcome.phases).decode()
        if not jobs.finish(db, job.id, ending, phases):
            raise LeaseLost.of(job.id)
        ended = jobs.find(db, job.id)
        assert ended is not None

        if job.state == JobState.UNKNOWN:
            return ended
        if job.is_cancel_requested or outcome.state == JobState.CANCELLED:
            self._end(db, ended, worker, AutomationState.CANCELLED, explanation or "cancelled")
        elif outcome.state != JobState.SUCCEEDED:
            self._end(db, ended, worker, AutomationState.FAILED, _failed(explanation))
        elif problem := self._go_on(db, ended, worker):
            self._end(db, ended, worker, AutomationState.FAILED, _failed(problem))
        return ended

    def lose(self, db: Connection, job: JobRow, ending: Ending) -> str:
        """End a plan whose worker was lost, unless its template lets it run again.

        Return the verb for the audit record.
        """
        jobs.finish(db, job.id, ending)
        if job.on_worker_lost == WorkerLost.REQUEUE and not job.is_cancel_requested:
            automation_transitions.requeue(db, job.automation_id, job.id, ending.at)
            return "requeue"

        is_cancelled = job.is_cancel_requested
        state = AutomationState.CANCELLED if is_cancelled else AutomationState.FAILED
        explanation = ending.explanation if is_cancelled else _failed(ending.explanation)
        if plans.fail(db, job.automation_id, job.id, Ending(state, ending.at, None, explanation)):
            self._outbox.post_finished(db, job.org_id, job.automation_id, state)
        return "lose"

    def _end(
        self,
        db: Connection,
        job: JobRow,
        actor: WorkerActor | SystemActor,
        state: AutomationState,
        explanation: str,
    ) -> None:
        ending = Ending(state, self._clock.now(), job.exit_code, explanation)
        if not plans.fail(db, job.automation_id, job.id, ending):
            raise LeaseLost.of(job.id)
        data = {"job": job.id, "state": state, "exit_code": job.exit_code, "plan": True}
        resource = f"automations/{job.automation_id}"
        audit.append(db, ending.at, job.org_id, actor, "finish", resource, data)
        self._outbox.post_finished(db, job.org_id, job.automation_id, state)

    def _go_on(self, db: Connection, job: JobRow, worker: WorkerActor) -> str:
        """Bind what a plan has shown, and ask people, or queue what nobody has to be asked about.

        Return why that cannot be; "" if it is done.
        """
        evidence = self._evidence.of_job(job)
        if self._evidence.is_too_long(evidence):
            return f"its log is longer than {MAX_PLAN_LOG_BYTES // 1024} KiB"
        reports = stored_json.read_or(job.phases, list[PhaseReport], [])
        if masked := masked_outputs(reports):
            names = ", ".join(masked)
            return (
                f"what it hands on holds a secret, which later phases could not be given: {names}"
            )

        now = self._clock.now()
        try:
            row, asked = self._bind(db, job, evidence.digest, now)
        except (AlteredManifest, Conflict) as error:
            return str(error)
        except (NotFound, ValueError, msgspec.MsgspecError, RecursionError):
            return UNREADABLE

        if not plans.end(db, row, job.id, now):
            raise LeaseLost.of(job.id)
        data = {
            "job": job.id,
            "state": row.state,
            "evidence": row.evidence,
            "manifest": row.manifest_digest,
        }
        audit.append(db, now, row.org_id, worker, "plan", f"automations/{row.id}", data)
        if asked:
            self._requests.ask(db, row, asked)
        return ""

    def _bind(
        self, db: Connection, job: JobRow, evidence: str, now: datetime
    ) -> tuple[AutomationRow, ApprovalRow | None]:
        """Return the automation with what its plan has shown bound to it, and whom that asks.

        Raises AlteredManifest, Conflict for an approval that nobody could give, NotFound, and
        ValueError for rows that cannot be read.
        """
        row = automations.get(db, job.org_id, job.automation_id)
        template = template_of(db, row.template_id, row.version)
        point = self._bindings.check(db, row, template, None).manifest.resumed_from
        row = replace(row, evidence=evidence)

        first_phase = point.first_phase if point else 0
        applicable = self._requests.applicable_policy(db, row, template, first_phase)
        asked = self._requests.draft(db, row, applicable, now) if applicable else None
        waits = applicable is not None and bool(applicable.gates)
        state = AutomationState.AWAITING_APPROVAL if waits else AutomationState.QUEUED
        row = self._bindings.bind_again(db, replace(row, state=state), template, asked)
        if row.fan_out:  # only its plan was for a worker
            asks = encoded(requirements(template, is_fan_out=True))
            row = replace(row, requirements=asks)
        return row, asked


def _failed(detail: str) -> str:
    return f"{PLAN_FAILED}: {detail}" if detail else PLAN_FAILED
