"""What a worker says of a job it was handed: may I start, here is output, this is how it ended.

Nothing here trusts a worker further than its own newest lease: a stale fence changes nothing. Every
method may be called again with the same arguments, because the answer to the first call may have
been lost on the way.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

import msgspec

from opsicle.domain.automations import JobState
from opsicle.domain.errors import LeaseLost, Unavailable
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import SystemActor, WorkerActor
from opsicle.server.channels.outbox import Outbox
from opsicle.server.dispatch.epoch_reports import EpochReports
from opsicle.server.dispatch.held_jobs import get_answerable, get_own
from opsicle.server.dispatch.job_outcomes import LOST, JobOutcomes, resource_of
from opsicle.server.dispatch.lease_service import LeaseService, may_serve
from opsicle.server.dispatch.lease_store import Lease
from opsicle.server.dispatch.leased_work import LeasedWork
from opsicle.server.dispatch.log_receiver import LogReceiver
from opsicle.server.dispatch.paused_jobs import begin, waits_at
from opsicle.server.dispatch.plans import Plans
from opsicle.server.dispatch.refused_orders import RefusedOrders
from opsicle.server.dispatch.unknown_jobs import UnknownJobs
from opsicle.server.fleet.presence import Presence
from opsicle.server.fleet.pubsub import (
    PubSub,
    automation_topic,
    end_topic,
    log_topic,
    org_topic,
)
from opsicle.server.store import audit, jobs
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.jobs import JobRow
from opsicle.wire.worker_api import (
    Done,
    FinishReply,
    FinishRequest,
    LogReply,
    LogRequest,
    PauseRequest,
    RefuseRequest,
)

log = logging.getLogger(__name__)

SLOW_DISK_SECONDS = 2.0
"""A commit that takes longer may have kept polls from their answers: nobody is judged by it."""


class Jobs:
    """The life of a job between its lease and its end."""

    def __init__(  # noqa: PLR0913, PLR0917 - what the end of a job touches
        self,
        database: Database,
        log_receiver: LogReceiver,
        lease_service: LeaseService,
        pubsub: PubSub,
        outbox: Outbox,
        epoch_reports: EpochReports,
        plans: Plans,
        clock: Clock,
    ) -> None:
        self._database = database
        self._log_receiver = log_receiver
        self._lease_service = lease_service
        self._fleet = lease_service.fleet
        self._groups = lease_service.groups
        self._lease_store = lease_service.lease_store
        self._pubsub = pubsub
        self._outcomes = outcomes = JobOutcomes(plans, outbox, clock)
        self._refused_orders = RefusedOrders(
            database, lease_service, outcomes, outbox, epoch_reports, clock
        )
        self._clock = clock
        self.unknown = UnknownJobs(database, self._fleet, clock)
        self._suspects: set[str] = set()

    def recover(self) -> None:
        """Give every job on lease one full term.

        Nobody could renew it while the server was away.
        """
        for row in self._database.read(jobs.list_all_held):
            self._lease_store.grant(
                Lease(row.id, row.automation_id, row.org_id, row.worker_id, row.fence)
            )

    def refresh_queue(self) -> None:
        """Look whether what is thought to wait does, and whether all that does is known."""
        self._lease_service.kinds.refresh()
        self._groups.advance_all()

    def start(self, worker: WorkerActor, job_id: str, fence: int) -> Done:
        """Let a leased job begin; only after the answer may the worker execute anything.

        Raises LeaseLost if the lease has lapsed, the automation was cancelled meanwhile, or its org
        was suspended or no longer lets this shared worker serve it. Unavailable as
        `UnknownJobs.recording`, also of `log` and `finish`.
        """
        now = self._clock.now()

        def work(db: Connection) -> JobRow:
            job = get_own(db, worker, job_id, fence)
            if job.state == JobState.RUNNING:
                return job
            if not (may_serve(db, worker, job.org_id) and begin(db, job, now)):
                raise LeaseLost.of(job_id)
            audit.append(db, now, job.org_id, worker, "start", resource_of(job), {"job": job_id})
            return job

        with self.unknown.recording(worker, job_id):
            job = self._database.write(work)
        self._changed(job)
        return Done(JobState.RUNNING)

    def refuse(self, worker: WorkerActor, job_id: str, request: RefuseRequest) -> Done:
        """Take back a job whose order its worker will not carry out.

        It waits again, or has ended. Raises as `RefusedOrders.record`.
        """
        job = self._refused_orders.record(worker, job_id, request)

        self._lease_service.make_use_of_room(job.org_id)
        self._lease_store.end(job_id)
        self._free_slot(worker.worker_id)
        self._changed(job)
        return Done(JobState.RETURNED)

    def log(self, worker: WorkerActor, job_id: str, request: LogRequest) -> LogReply:
        """Keep output, and how far the phases are.

        Raises LeaseLost if the job is over or another's.
        """
        with self.unknown.recording(worker, job_id):
            job = self._database.read(lambda db: get_answerable(db, worker, job_id, request.fence))
        durable_to = self._log_receiver.append(job, request)

        if request.phases is not None:
            phases = msgspec.json.encode(request.phases).decode()
            self._database.write(lambda db: jobs.record_progress(db, job_id, phases))

        topic = log_topic if request.phases is None else automation_topic
        self._pubsub.changed(topic(job.automation_id))
        return LogReply(durable_to)

    def pause(self, worker: WorkerActor, job_id: str, request: PauseRequest) -> Done:
        """Let a job wait for people, with all of its output so far; its slot is free then.

        Raises as `finish`, and Conflict for a phase at which nobody is asked.
        """
        with self.unknown.recording(worker, job_id):
            if self._database.read(lambda db: waits_at(db, worker, job_id, request)):
                return Done(JobState.PAUSED)
            if request.log_bytes:
                self._log_receiver.keep_last(worker, job_id, request)

            def work(db: Connection) -> tuple[JobRow, JobState]:
                job = get_own(db, worker, job_id, request.fence)
                return job, self._lease_service.paused.pause(db, job, worker, request)

            job, state = self._database.write(work)

        if state is JobState.PAUSED:
            self._lease_store.end(job_id)
            if job.state == JobState.RUNNING:
                self._free_slot(worker.worker_id)
        self._changed(job)
        return Done(state)

    def finish(self, worker: WorkerActor, job_id: str, request: FinishRequest) -> FinishReply:
        """Record how a job ended, with the last of its output.

        The answer brings the next work, if any waits. Raises LogIncomplete while part of the log is
        missing; LeaseLost when the lease has passed on, so that a worker that was cut off can never
        overwrite its successor's result; Unavailable for the word of what may be a copy.
        """
        presence = self._fleet.find(worker.worker_id)
        self._check_instance(presence, request)
        with self.unknown.recording(worker, job_id):
            return self._finish_known(worker, job_id, request, presence)

    def _finish_known(
        self, worker: WorkerActor, job_id: str, request: FinishRequest, presence: Presence | None
    ) -> FinishReply:
        log_end = self._log_receiver.end(worker, job_id, request)
        leased = LeasedWork()

        def work(db: Connection) -> JobRow:
            nonlocal leased
            own = get_own(db, worker, job_id, request.fence)
            log_end.put(db, own)
            job = self._outcomes.record(db, own, worker, request.outcome)
            free = 0
            if presence and request.is_slot_free:
                held = jobs.count_held(db, worker.worker_id)
                free = self._lease_service.free_slots(presence, held)
            if presence and free > 0:  # what that leases, it advances the groups for
                leased = self._lease_service.lease_waiting(db, presence, free, is_pushed=True)
            else:
                self._groups.advance(db, leased.group_changes)
            return job

        job = log_end.write(self._database, work)

        self._lease_store.end(job_id)
        self._pubsub.changed(end_topic(job.automation_id))
        self._changed(job)
        if presence:
            presence.busy = max(0, presence.busy - 1) + len(leased.items)
            self._begin_leases(presence, leased)
        else:
            self._groups.announce(leased.group_changes)
        self._lease_service.make_use_of_room(job.org_id)
        if job.is_plan or job.state in LOST:  # something may wait, and not for this worker alone
            self._fleet.wake_org(job.org_id)
        self._pubsub.let_first(end_topic(job.automation_id), automation_topic(job.automation_id))
        return FinishReply(job.state, leased.work)

    def _check_instance(self, presence: Presence | None, request: FinishRequest) -> None:
        """Raise Unavailable where a copy of a worker's folder may speak.

        The original may still run the job. What the journal of a copy does not know the end of
        would be given up, or even run again.
        """
        if request.outcome.state != JobState.UNKNOWN or not request.boot_id:
            return
        if presence is None or not presence.instances.is_only(
            request.boot_id, self._clock.monotonic()
        ):
            raise Unavailable(
                "it is not clear yet which process this worker is",
                hint="Say it again a little later.",
            )

    def _begin_leases(self, presence: Presence, leased: LeasedWork) -> None:
        """Let the leases begin that go out with an answer.

        If there are none, the open poll may use the slot.
        """
        self._lease_service.granted(presence, leased)
        presence.wake()

    def check_leases(self, late_seconds: float) -> int:
        """Take one turn of judging leases, and return how many jobs were lost or given back.

        A lease must have been found lapsed by two turns, and the second of them in time: so there
        is no moment at which the server can be stopped, or its disk hang, after which it judges
        workers before it has heard them.
        """
        if late_seconds:
            self._renew_all(late_seconds)
            return 0

        expired = {lease.job_id for lease in self._lease_store.expired()}
        twice, self._suspects = self._suspects & expired, expired
        if not twice:
            return 0

        began_at = self._clock.monotonic()
        self._database.write(lambda _: None)  # a disk that hangs holds up every poll's answer
        waited = self._clock.monotonic() - began_at
        if waited > SLOW_DISK_SECONDS:
            self._renew_all(waited)
            return 0
        return self.expire(twice)

    def _renew_all(self, seconds: float) -> None:
        """Give every lease a new term: the server was away, or could not answer, for so long."""
        self._suspects = set()
        if count := self._lease_store.renew_all():
            away = {"seconds": round(seconds), "leases": count}
            log.warning("the server was held up: every lease has a new term", extra=away)

    def expire(self, only: Collection[str] | None = None) -> int:
        """Judge the leases whose time is over, or only those of some jobs.

        Return how many jobs were lost or given back.
        """
        expired = [
            lease for lease in self._lease_store.expired() if only is None or lease.job_id in only
        ]
        for lease in expired:
            self._expire(lease)
        return len(expired)

    def _expire(self, lease: Lease) -> None:
        def work(db: Connection) -> JobRow | None:
            job = jobs.find(db, lease.job_id)
            if job and job.fence == lease.fence:
                reason = (
                    f"worker {job.worker_name} was lost while the job ran; "
                    "nobody can say what it did"
                )
                self._outcomes.lose(db, job, SystemActor(), reason)
            return job

        job = self._database.write(work)

        self._lease_store.end(lease.job_id)
        if job:
            self._free_slot(job.worker_id)
            self._changed(job)
            self._fleet.wake_org(job.org_id)

    def give_back(self, db: Connection, job: JobRow) -> None:
        """Let a job wait again of whose lease the worker never heard; in a poll's transaction."""
        self._outcomes.lose(db, job, SystemActor(), "the worker did not receive it")

    def _free_slot(self, worker_id: str) -> None:
        """Let the worker's open poll hand out the slot that a job has left."""
        presence = self._fleet.find(worker_id)
        if presence:
            presence.busy = max(0, presence.busy - 1)
            presence.wake()

    def _changed(self, job: JobRow) -> None:
        self._pubsub.changed(automation_topic(job.automation_id), org_topic(job.org_id))
