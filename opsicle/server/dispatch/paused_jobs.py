"""Jobs that wait for people in their midst: how they come to wait, and how they go on.

A paused job has no lease, and its worker no slot for it. It goes on under a new lease, with a
higher fence, that a poll of its own worker brings once people have decided; so a stale answer or
order changes nothing, and it goes on at most once
(see docs/decisions/0032-jobs-that-wait-for-people.md).
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain.automations import AutomationState, JobState
from opsicle.domain.calls import Call
from opsicle.domain.errors import Conflict, LeaseLost
from opsicle.domain.templates import Template, When
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.access.actor import SystemActor, WorkerActor
from opsicle.server.access.template_versions import template_of
from opsicle.server.approvals import paused_ends
from opsicle.server.approvals.bindings import AlteredManifest, Bindings
from opsicle.server.approvals.passed_calls import require_calls_passed
from opsicle.server.approvals.pauses import draft
from opsicle.server.approvals.progress import Progress
from opsicle.server.approvals.record_of_ends import recorded_outputs
from opsicle.server.channels.outbox import Outbox
from opsicle.server.dispatch.lease_store import Lease
from opsicle.server.store import (
    approvals,
    audit,
    automation_transitions,
    automations,
    calls,
    jobs,
    pauses,
)
from opsicle.server.store.automation_transitions import Ending
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.calls import CallWaitRow
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow
from opsicle.wire.jobs import StepState
from opsicle.wire.worker_api import PauseRequest

_FAILED = frozenset({StepState.FAILED, StepState.TIMED_OUT})


class Resumption(msgspec.Struct, frozen=True):
    """A paused job that goes on: its automation's row, and the lease that it gets."""

    row: AutomationRow
    job: JobRow
    lease: Lease


class PausedJobs:
    """Moves jobs to where they wait, and on from there. Every method is inside a transaction."""

    def __init__(
        self, progress: Progress, bindings: Bindings, outbox: Outbox, clock: Clock
    ) -> None:
        self._progress = progress
        self.bindings = bindings
        self._outbox = outbox
        self._clock = clock

    def pause(
        self, db: Connection, job: JobRow, worker: WorkerActor, request: PauseRequest
    ) -> JobState:
        """Let a job wait, ask people, and return the job's state then.

        That is `paused` unless it is being cancelled, and does not wait at a clean-up phase. Saying
        it again changes nothing. Raises Conflict for a phase at which nobody is asked, LeaseLost
        for a job that is over.
        """
        if job.state == JobState.PAUSED:
            return job.state

        now = self._clock.now()
        row = automations.get(db, job.org_id, job.automation_id)
        template = template_of(db, row.template_id, row.version)
        called = called_at(template, request)
        is_clean_up = bool(called) and template.phases[request.phase].when is not When.SUCCESS
        if job.is_cancel_requested and not is_clean_up:
            return job.state
        if not is_clean_up:
            self._require_calls_passed(db, row, template, request.phase)
        if called:
            self._wait_for_calls(db, job, worker, request, called)
            return JobState.PAUSED

        asked = self.bindings.sign_pause(draft(db, row, template, job, request.phase, now))
        phases = msgspec.json.encode(request.phases).decode()
        if not (
            pauses.pause_job(db, job.id, job.fence, asked.id, phases)
            and pauses.pause_automation(db, row.id, job.id)
        ):
            raise LeaseLost.of(job.id)

        data = {"job": job.id, "phase": request.phase, "approval": asked.id, "kind": asked.kind}
        data |= recorded_outputs(request.phases)
        audit.append(db, now, job.org_id, worker, "pause", f"automations/{row.id}", data)
        approvals.insert(db, asked)
        self._progress.advance(db, self._progress.load(db, asked), now)
        return JobState.PAUSED

    def _require_calls_passed(
        self, db: Connection, row: AutomationRow, template: Template, phase: int
    ) -> None:
        """Raise Conflict for a job that has left out a call, or went on after one that failed."""
        approval = approvals.find_of_automation(db, row.id) if row.approval_id else None
        try:
            first = self.bindings.check(db, row, template, approval).manifest.first_phase
            require_calls_passed(db, self.bindings, row, template, first, phase)
        except AlteredManifest as altered:
            raise Conflict(f"it cannot wait there: {altered}", hint="Drop it.") from altered

    def _wait_for_calls(
        self,
        db: Connection,
        job: JobRow,
        worker: WorkerActor,
        request: PauseRequest,
        called: tuple[Call, ...],
    ) -> None:
        """Let a job wait for what a phase calls, and write down what that is, both or neither."""
        now = self._clock.now()
        wait = CallWaitRow(
            id=new_id(now),
            org_id=job.org_id,
            automation_id=job.automation_id,
            job_id=job.id,
            phase=request.phase,
            fence=job.fence,
            asked_at=now,
            is_after_cancel=job.is_cancel_requested,
        )
        phases = msgspec.json.encode(request.phases).decode()
        if not (
            pauses.pause_job(db, job.id, job.fence, wait.id, phases)
            and pauses.pause_automation(db, job.automation_id, job.id)
        ):
            raise LeaseLost.of(job.id)

        calls.insert_wait(db, wait)
        for position, call in enumerate(called):
            calls.insert(db, wait, position, call.template)
        data = {"job": job.id, "phase": request.phase, "call": wait.id}
        data |= recorded_outputs(request.phases)
        audit.append(
            db, now, job.org_id, worker, "pause", f"automations/{wait.automation_id}", data
        )

    def list_decided(self, db: Connection, worker_id: str, limit: int) -> list[JobRow]:
        """Return a worker's paused jobs that may go on, oldest first."""
        found = (jobs.find(db, job_id) for job_id in pauses.list_decided(db, worker_id, limit))
        return [job for job in found if job is not None]

    def lease(self, db: Connection, resumption: Resumption) -> bool:
        """Lease a paused job to its worker anew. False if someone was first."""
        job, lease = resumption.job, resumption.lease
        return pauses.lease(db, job.id, job.fence, lease.fence) and pauses.lease_automation(
            db, job.automation_id, job.id, resumption.row.fence, lease.fence
        )

    def end_altered(
        self, db: Connection, row: AutomationRow, job: JobRow, altered: AlteredManifest
    ) -> bool:
        """End a paused automation that is not what was asked or decided.

        Nothing more of it runs. False if it does not wait any more.
        """
        explanation = f"it did not go on: {altered}"
        ending = Ending(AutomationState.CANCELLED, self._clock.now(), None, explanation)
        if not paused_ends.end(db, job, ending, SystemActor()):
            return False
        self._outbox.post_finished(db, row.org_id, row.id, AutomationState.CANCELLED)
        return True

    def refuse(self, db: Connection, job: JobRow, worker: WorkerActor, explanation: str) -> None:
        """End a leased job that its worker will not let go on; nothing more of it was run."""
        pauses.give_back(db, job.id)
        ending = Ending(AutomationState.CANCELLED, self._clock.now(), None, explanation)
        paused_ends.end(db, job, ending, worker)
        self._outbox.post_finished(db, job.org_id, job.automation_id, AutomationState.CANCELLED)


def waits_at(db: Connection, worker: WorkerActor, job_id: str, request: PauseRequest) -> bool:
    """Return whether a worker's job waits at just this pause, be it that it may go on now."""
    job = jobs.find(db, job_id)
    is_waiting = job is not None and job.state in {JobState.PAUSED, JobState.LEASED}
    if job is None or job.worker_id != worker.worker_id or not (is_waiting and job.pause_id):
        return False
    asked = calls.find_wait(db, job.pause_id) or approvals.get(db, job.org_id, job.pause_id)
    return (asked.fence, asked.phase) == (request.fence, request.phase)


def called_at(template: Template, request: PauseRequest) -> tuple[Call, ...]:
    """Return what a job that pauses has called; nothing if people are asked, as after a failure."""
    has_phase = request.phase < min(len(template.phases), len(request.phases))
    if not has_phase or request.phases[request.phase].state in _FAILED:
        return ()
    return template.phases[request.phase].calls


def begin(db: Connection, job: JobRow, at: datetime) -> bool:
    """Move a leased job and its automation to `running`, be it from a pause. False if not so."""
    if job.pause_id:
        return pauses.start_job(db, job.id) and pauses.start_automation(
            db, job.automation_id, job.id
        )
    return jobs.start(db, job.id, at) and automation_transitions.start(
        db, job.automation_id, job.id, at
    )
