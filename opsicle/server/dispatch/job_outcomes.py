"""How the end of a job is recorded, inside the transaction of whoever learned of it.

A job ends because its worker says how, or because nobody can say what became of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.artifacts import list_digest
from opsicle.domain.automations import JOB_OUTCOMES, AutomationState, JobState, WorkerLost
from opsicle.domain.errors import Conflict, LeaseLost, required
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import SystemActor, WorkerActor
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals import paused_ends
from opsicle.server.approvals.record_of_ends import recorded_outputs
from opsicle.server.channels.outbox import Outbox
from opsicle.server.dispatch.plans import Plans
from opsicle.server.store import (
    approvals,
    artifacts,
    audit,
    automation_transitions,
    automations,
    jobs,
    pauses,
)
from opsicle.server.store.automation_transitions import Ending
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow
from opsicle.wire.jobs import MAX_EXPLANATION, Outcome, PhaseReport, phases_digest

ANSWERABLE = frozenset({JobState.RUNNING, JobState.UNKNOWN})
"""States in which the holder of the newest lease may still send output, and how the job ended."""

LOST = frozenset({JobState.UNKNOWN, JobState.RETURNED})
"""States of a job of which its worker has not said how it ended."""

_ENDS = JOB_OUTCOMES | {JobState.UNKNOWN}


class JobOutcomes:
    """Moves jobs and their automations to where they end, tells people, and writes the record."""

    def __init__(self, plans: Plans, outbox: Outbox, clock: Clock) -> None:
        self._plans = plans
        self._outbox = outbox
        self._clock = clock

    def record(self, db: Connection, job: JobRow, worker: WorkerActor, outcome: Outcome) -> JobRow:
        """Record what a worker says of how its job ended, and return the job in its new state.

        Saying the same again changes nothing. Raises Conflict for an end that the job cannot have
        any more, LeaseLost where the lease has passed on.
        """
        if job.state == JobState.UNKNOWN == outcome.state:
            self._add_explanation(db, job, worker, outcome)
            return job
        if job.state == JobState.PAUSED and outcome.state == JobState.UNKNOWN:
            return job  # its worker died before it went on, and may go on later
        if job.state in _ENDS and outcome.state in (job.state, JobState.UNKNOWN):
            return job

        if outcome.state == JobState.UNKNOWN:
            if job.state == JobState.RUNNING:
                jobs.record_phases(db, job.id, _phases(outcome))
                job = _get(db, job.id)
            self.lose(db, job, worker, outcome.explanation[:MAX_EXPLANATION])
            return _get(db, job.id)

        if job.state in ANSWERABLE and outcome.state in JOB_OUTCOMES and job.is_plan:
            return self._plans.record(db, job, worker, outcome)
        if job.state in ANSWERABLE and outcome.state in JOB_OUTCOMES:
            return self._end(db, job, worker, outcome)
        raise Conflict(
            f"job {job.id} is {job.state} and cannot become {outcome.state}", hint="Drop it."
        )

    def _add_explanation(
        self, db: Connection, job: JobRow, worker: WorkerActor, outcome: Outcome
    ) -> None:
        """Record what the worker that lost a job says of it, now that it is back."""
        if outcome.phases and _phases(outcome) != job.phases:
            jobs.record_phases(db, job.id, _phases(outcome))
            data = {"job": job.id, "worker": job.worker_name, **_recorded(outcome.phases)}
            audit.append(db, self._clock.now(), job.org_id, worker, "lose", resource_of(job), data)
        if explanation := outcome.explanation[:MAX_EXPLANATION]:
            jobs.explain_unknown(db, job.id, explanation)
            automation_transitions.explain_unknown(db, job.automation_id, job.id, explanation)

    def _end(self, db: Connection, job: JobRow, worker: WorkerActor, outcome: Outcome) -> JobRow:
        """Record the end of a job that ran, and return the job; it may replace `unknown`."""
        explanation = outcome.explanation[:MAX_EXPLANATION]
        ending = Ending(outcome.state, self._clock.now(), outcome.exit_code, explanation)

        state = self._end_of_automation(db, job, outcome)
        of_automation = msgspec.structs.replace(ending, state=state)
        if not (
            jobs.finish(db, job.id, ending, _phases(outcome))
            and automation_transitions.finish(db, job.automation_id, job.id, of_automation)
        ):
            raise LeaseLost.of(job.id)

        if outcome.kept_until_ms is not None:
            self._note_kept(db, job, outcome.kept_until_ms)

        data = {
            "job": job.id,
            "state": state,
            "exit_code": outcome.exit_code,
            **_recorded(outcome.phases),
            **_left_behind(db, job.id),
        }
        audit.append(db, ending.at, job.org_id, worker, "finish", resource_of(job), data)
        self._outbox.post_finished(db, job.org_id, job.automation_id, state)
        return msgspec.structs.replace(job, state=outcome.state)

    def _note_kept(self, db: Connection, job: JobRow, until_ms: int) -> None:
        """Record that a worker keeps a workspace, for no longer than the template says."""
        row = automations.get(db, job.org_id, job.automation_id)
        seconds = template_of(db, row.template_id, row.version).keep_workspace
        if seconds is not None:
            longest = self._clock.now() + timedelta(seconds=seconds)
            until = min(datetime.fromtimestamp(until_ms / 1000, UTC), longest)
            jobs.note_kept(db, job.id, until)

    def _end_of_automation(self, db: Connection, job: JobRow, outcome: Outcome) -> AutomationState:
        """Return how an automation ends with its job.

        A job that was stopped at a pause is cancelled, its automation what people have decided.
        """
        is_stopped = outcome.state == JobState.CANCELLED and not job.is_cancel_requested
        if not (is_stopped and job.pause_id):
            return AutomationState(outcome.state)
        # The last that was asked of people: its clean-up may have waited for what it called since.
        asked = approvals.list_pauses(db, job.automation_id, job.id)[-1:]
        states = [paused_ends.end_state(each.kind, each.state) for each in asked]
        return states[0] if states else AutomationState.CANCELLED

    def lose(
        self, db: Connection, job: JobRow, actor: WorkerActor | SystemActor, explanation: str
    ) -> None:
        """Record that nobody can say what became of a job; one that never started waits again."""
        now = self._clock.now()

        if job.state == JobState.LEASED and job.pause_id:
            pauses.give_back(db, job.id)
            verb = "return"
        elif job.state == JobState.LEASED:
            jobs.give_back(db, job.id, now)
            automation_transitions.give_back(db, job.automation_id, job.id)
            verb = "return"
        elif job.state == JobState.RUNNING:
            verb = self._lose_running(db, job, Ending(JobState.UNKNOWN, now, None, explanation))
        else:
            return

        data = {"job": job.id, "worker": job.worker_name, "explanation": explanation}
        if verb != "return":
            data |= _recorded(stored_json.read_or(job.phases, list[PhaseReport], []))
        audit.append(db, now, job.org_id, actor, verb, resource_of(job), data)

    def _lose_running(self, db: Connection, job: JobRow, ending: Ending) -> str:
        """End a job that ran, and its automation, unless that is queued anew.

        Return the verb for the audit record.
        """
        if job.is_plan:
            return self._plans.lose(db, job, ending)
        jobs.finish(db, job.id, ending)

        if job.on_worker_lost == WorkerLost.REQUEUE and not job.is_cancel_requested:
            automation_transitions.requeue(db, job.automation_id, job.id, ending.at)
            return "requeue"
        automation_transitions.finish(db, job.automation_id, job.id, ending)
        self._outbox.post_finished(db, job.org_id, job.automation_id, AutomationState.UNKNOWN)
        return "lose"


def resource_of(job: JobRow) -> str:
    """Return what the audit record calls the automation of a job."""
    return f"automations/{job.automation_id}"


def _left_behind(db: Connection, job_id: str) -> dict[str, object]:
    """Return what the audit record says of a job's artifacts: nothing where it left none."""
    digests = {row.path: row.sha256 for row in artifacts.list_of_job(db, job_id) if row.sha256}
    if not digests:
        return {}
    return {"artifacts": {"count": len(digests), "sha256": list_digest(digests)}}


def _recorded(reports: Sequence[PhaseReport]) -> dict[str, str]:
    """Return what the audit record says of how the phases of a job went, and of their outputs."""
    return {"phases": phases_digest(reports), **recorded_outputs(reports)}


def _phases(outcome: Outcome) -> str:
    return msgspec.json.encode(outcome.phases).decode()


def _get(db: Connection, job_id: str) -> JobRow:
    return required(jobs.find(db, job_id), LeaseLost.of(job_id))
