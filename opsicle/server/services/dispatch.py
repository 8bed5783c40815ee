"""Handing waiting automations to polling workers.

A poll looks in one transaction: which jobs to cancel, which to drop, what can be leased. If there is nothing to say
it waits to be woken and looks again. What it leases is durable before the worker hears of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from opsicle.domain.automations import JobState
from opsicle.domain.errors import NotAuthenticated
from opsicle.domain.workers import Requirements, can_take
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.services.actor import WorkerActor
from opsicle.server.services.enrolments import check_facts
from opsicle.server.services.fleet import Fleet, Presence
from opsicle.server.services.jobs import Jobs
from opsicle.server.services.leases import Lease, Leases
from opsicle.server.services.signals import Signals, Watch, automation_topic, org_topic
from opsicle.server.services.work import WorkOrders
from opsicle.server.store import automations, jobs, workers
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.jobs import JobRow
from opsicle.wire.jobs import Work
from opsicle.wire.worker_api import POLL_SECONDS, PollReply, PollRequest

BUSY_POLL_SECONDS = 10
"""A poll of a worker that holds jobs is shorter: it renews their leases when it arrives, and a lease lasts 30 s."""


@dataclass
class _Sight:
    """What one look of a poll has found."""

    leased: list[tuple[Lease, Work]] = field(default_factory=list)
    cancel: list[str] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    returned: list[JobRow] = field(default_factory=list)
    busy: int = 0
    left_waiting: list[Requirements] = field(default_factory=list)

    def has_news(self, told: set[str]) -> bool:
        """Whether there is anything that the worker has not been told at once before."""
        return bool(self.leased) or not told.issuperset(self.cancel + self.drop)


class Dispatch:
    """Answers polls and wakes them. The heart of the server: see docs/architecture.md."""

    def __init__(
        self, database: Database, jobs: Jobs, fleet: Fleet, leases: Leases, signals: Signals, clock: Clock
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._fleet = fleet
        self._leases = leases
        self._signals = signals
        self._clock = clock
        self._work_orders = WorkOrders()
        self._is_closing = False

    def poll(self, worker: WorkerActor, request: PollRequest) -> PollReply:
        """Answer a worker's poll: at once if there is news, else when there is, at the latest when the hold ends.

        Raises NotAuthenticated as soon as the worker is revoked.
        """
        presence = self._arrive(worker, request)
        longest = BUSY_POLL_SECONDS if request.jobs else POLL_SECONDS
        ends_at = self._clock.monotonic() + min(max(request.wait_seconds, 0), longest)
        watch = presence.open_poll = Watch()
        try:
            return self._hold(presence, watch, ends_at)
        finally:
            if presence.open_poll is watch:
                presence.open_poll = None
                presence.is_waiting = False

    def _arrive(self, worker: WorkerActor, request: PollRequest) -> Presence:
        """Note what the worker says of itself, renew its leases, end a poll that this one replaces.

        Raises InvalidInput for labels or slots that no worker can have.
        """
        presence = self._fleet.find(worker.worker_id)
        if presence is None or (presence.poll.labels, presence.poll.slots) != (request.labels, request.slots):
            check_facts(request.labels, request.slots)
        if presence is None:
            presence = Presence(worker.worker_id, worker.name, worker.org_id, request, 0.0)
            self._fleet.add(presence)
        presence.poll = request
        presence.seen_at = self._clock.monotonic()
        presence.told &= {job.job_id for job in request.jobs}
        presence.wake()
        for job in request.jobs:
            self._leases.renew(worker.worker_id, job.job_id, job.fence)
        return presence

    def _hold(self, presence: Presence, watch: Watch, ends_at: float) -> PollReply:
        sight = self._look(presence, has_just_arrived=True)
        was_draining = presence.is_draining
        while not (sight.has_news(presence.told) or presence.is_draining != was_draining):
            remaining = ends_at - self._clock.monotonic()
            if remaining <= 0:
                break
            presence.is_waiting = presence.busy < presence.poll.slots
            watch.wait(remaining)
            presence.is_waiting = False
            if presence.is_revoked:
                raise NotAuthenticated("this worker was revoked", hint="Enrol it again with a new join token.")
            if self._is_closing or presence.open_poll is not watch:
                break
            sight = self._look(presence, has_just_arrived=False)
        presence.told.update(sight.cancel, sight.drop)
        work = tuple(work for _, work in sight.leased)
        return PollReply(work=work, cancel=tuple(sight.cancel), drop=tuple(sight.drop), drain=presence.is_draining)

    def _look(self, presence: Presence, *, has_just_arrived: bool) -> _Sight:
        """One transaction: compare what the worker holds with what it should, and lease what it can take."""
        sight = self._database.write(lambda db: self._compare_and_lease(db, presence, has_just_arrived))
        presence.busy = sight.busy
        for job in sight.returned:
            self._leases.end(job.id)
        for lease, _ in sight.leased:
            self._leases.grant(lease)
            self._signals.changed(automation_topic(lease.automation_id), org_topic(lease.org_id))
        if sight.leased:
            for wanted in sight.left_waiting:
                self._fleet.wake_one(presence.org_id, wanted)
        return sight

    def _compare_and_lease(self, db: Connection, presence: Presence, has_just_arrived: bool) -> _Sight:
        sight = _Sight()
        request = presence.poll
        held = jobs.list_held(db, presence.worker_id)
        listed = {job.job_id: job.fence for job in request.jobs}
        if has_just_arrived:
            presence.is_draining = workers.record_poll(db, presence.worker_id, request, self._clock.now())
            sight.returned = [job for job in held if job.state == JobState.LEASED and job.id not in listed]
            held = [job for job in held if job not in sight.returned]
            for job in sight.returned:
                self._jobs.give_back(db, job)
        sight.cancel = [job.id for job in held if job.is_cancel_requested and job.id in listed]
        sight.drop = _to_drop(db, presence.worker_id, listed, held)
        occupied = len(held) + len(sight.drop)
        free = 0 if presence.is_draining or request.is_draining else _capacity(request) - occupied
        if free > 0:
            self._lease(db, presence, free, sight)
        sight.busy = len(held) + len(sight.leased)
        return sight

    def _lease(self, db: Connection, presence: Presence, free: int, sight: _Sight) -> None:
        """Lease up to `free` of the oldest automations that this worker can take."""
        me = self._fleet.candidate(presence, busy=0)
        waiting = [_decode(text) for text in automations.list_waiting_requirements(db, presence.org_id)]
        mine = [(text, wanted) for text, wanted in waiting if can_take(wanted, me)]
        rows = [row for text, _ in mine for row in automations.list_waiting(db, presence.org_id, text, free + 1)]
        rows.sort(key=lambda row: row.id)
        for row in rows[:free]:
            job_id = new_id(self._clock.now())
            if not automations.lease(db, row.id, row.fence, job_id):
                continue
            jobs.insert(db, job_id, row.id, presence.worker_id, self._clock.now())
            lease = Lease(job_id, row.id, row.org_id, presence.worker_id, row.fence + 1, 0.0)
            sight.leased.append((lease, self._work_orders.make(db, row, lease)))
        if len(rows) > free:
            sight.left_waiting = [wanted for _, wanted in mine]

    def wake_for(self, org_id: str, wanted: Requirements) -> None:
        """An automation waits: let the best waiting worker look."""
        self._fleet.wake_one(org_id, wanted)

    def wake_worker(self, worker_id: str) -> None:
        """Something about this worker's jobs has changed: let its open poll look."""
        presence = self._fleet.find(worker_id)
        if presence:
            presence.wake()

    def on_revoked(self, worker_id: str) -> None:
        """Close a revoked worker's open poll at once."""
        presence = self._fleet.find(worker_id)
        if presence:
            presence.is_revoked = True
            presence.wake()

    def on_drain_changed(self, worker_id: str, is_draining: bool) -> None:
        """Let a worker know at once that it is to take no more, or may again."""
        presence = self._fleet.find(worker_id)
        if presence:
            presence.is_draining = is_draining
            presence.wake()

    def close(self) -> None:
        """Answer every open poll, because the server stops."""
        self._is_closing = True
        self._fleet.wake_everyone()


def _decode(text: str) -> tuple[str, Requirements]:
    return text, msgspec.json.decode(text, type=Requirements)


def _capacity(request: PollRequest) -> int:
    """How many jobs the worker would hold at once, by its own word just now."""
    return min(request.slots, request.free_slots + len(request.jobs))


def _to_drop(db: Connection, worker_id: str, listed: dict[str, int], held: list[JobRow]) -> list[str]:
    """Jobs that the worker lists and should not carry on with: a newer lease was given, or it was taken back.

    One that is `unknown` but still the newest may go on, and one that has ended meanwhile needs no word.
    """
    rightful = {job.id for job in held if listed.get(job.id) == job.fence}
    return [
        job_id for job_id, fence in listed.items() if job_id not in rightful and _is_lost(db, worker_id, job_id, fence)
    ]


def _is_lost(db: Connection, worker_id: str, job_id: str, fence: int) -> bool:
    job = jobs.find(db, job_id)
    if job is None or job.worker_id != worker_id or job.fence != fence:
        return True
    return not job.is_newest or job.state == JobState.RETURNED
