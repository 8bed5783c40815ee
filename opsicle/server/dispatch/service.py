"""Handing waiting automations to polling workers.

A poll looks in one transaction: which jobs to cancel, which to drop, what can be leased. If there
is nothing to say it waits to be woken and looks again; the next one of a worker that has nothing
need not even look, until something may have come up for it. What it leases is durable before the
worker hears of it. Two shorter ways lead to the same end: an automation that is triggered while a
poll waits is leased in the transaction that triggers it, and a worker that ends a job is given the
next one with the answer (`jobs.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import gevent

from opsicle.domain.automations import JobState
from opsicle.domain.errors import NotAuthenticated
from opsicle.domain.manifest_formats import SUPPORTED_FORMATS
from opsicle.domain.workers import Requirements
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import WorkerActor
from opsicle.server.dispatch.jobs import Jobs
from opsicle.server.dispatch.lease_service import LeaseService
from opsicle.server.dispatch.poll_recorder import PollRecorder
from opsicle.server.dispatch.poll_results import (
    NOTHING,
    PollResult,
    jobs_to_drop,
    labels_to_announce,
    note_paused_to_drop,
)
from opsicle.server.dispatch.slot_reservations import SlotReservation
from opsicle.server.fleet.presence import Presence
from opsicle.server.fleet.pubsub import Subscription
from opsicle.server.public_urls import Urls
from opsicle.server.store import jobs
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.jobs import JobRow
from opsicle.wire.worker_api import POLL_SECONDS, PollReply, PollRequest

BUSY_POLL_SECONDS = 10
"""A poll of a worker that holds jobs is shorter: it renews their leases when it arrives, and a
lease lasts 30 s."""


log = logging.getLogger(__name__)

LATE_ANSWER_SECONDS = 2.0
"""A poll that is answered this much later than it should have been was held up by the server."""


OnDisconnect = Callable[[Callable[[], None]], AbstractContextManager[None]]
"""Calls back, while the context lasts, if whoever asks is no longer there to be answered."""


def _no_disconnects(_call: Callable[[], None]) -> AbstractContextManager[None]:
    return nullcontext()


class Dispatch:
    """Answers polls and wakes them. The heart of the server: see docs/architecture.md."""

    def __init__(
        self,
        database: Database,
        jobs: Jobs,
        lease_service: LeaseService,
        urls: Urls,
        clock: Clock,
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._lease_service = lease_service
        self._urls = urls
        self._fleet = lease_service.fleet
        self._lease_store = lease_service.lease_store
        self._clock = clock
        self._poll_recorder = PollRecorder(database, lease_service.fleet, clock)
        self._is_closing = False

    def poll(
        self,
        worker: WorkerActor,
        request: PollRequest,
        on_disconnect: OnDisconnect = _no_disconnects,
    ) -> PollReply:
        """Answer a worker's poll.

        At once if something has changed, else when it does, at the latest when the wait ends.

        `on_disconnect` calls back if the worker closes the connection meanwhile: then it is given
        nothing, and whoever waits for it is told that it is gone. Raises NotAuthenticated as soon
        as the worker is revoked.
        """
        presence = self._record_poll(worker, request)
        longest = BUSY_POLL_SECONDS if request.jobs else POLL_SECONDS
        ends_at = self._clock.monotonic() + min(max(request.wait_seconds, 0), longest)
        watch = presence.open_polls[request.boot_id] = Subscription()
        try:
            with on_disconnect(partial(self._hung_up, presence, watch)):
                reply = self._wait_for_changes(presence, request, watch, ends_at)
            reply.epoch, reply.epoch_id = self._lease_service.epoch
            reply.server_urls = self._urls.for_workers
            return reply
        finally:
            if presence.open_polls.get(request.boot_id) is watch:
                del presence.open_polls[request.boot_id]
                self._fleet.end_waiting(presence)
            presence.has_left = request.is_leaving
            if request.is_leaving:
                self._lease_service.notify_org(presence)
            if self._clock.monotonic() > ends_at + LATE_ANSWER_SECONDS:
                self._renew(worker, request)  # the worker has waited for us, not we for it

    def _hung_up(self, presence: Presence, watch: Subscription) -> None:
        """Note that the connection of an open poll was closed from the other side.

        The worker has died, or will poll anew.
        """
        if watch not in presence.open_polls.values():
            return
        presence.has_disconnected = True
        presence.seen_at = self._clock.monotonic()
        watch.wake()
        self._lease_service.notify_org(presence)

    def _record_poll(self, worker: WorkerActor, request: PollRequest) -> Presence:
        """Note what the worker says of itself, renew its leases, end a poll that this one replaces.

        Raises InvalidInput for labels or slots that no worker can have.
        """
        presence = self._poll_recorder.note(worker, request)
        presence.notified_jobs &= {job.job_id for job in (*request.jobs, *request.paused)}
        self._renew(worker, request)
        return presence

    def _renew(self, worker: WorkerActor, request: PollRequest) -> None:
        for job in request.jobs:
            self._lease_store.renew(worker.worker_id, job.job_id, job.fence)

    def _wait_for_changes(
        self, presence: Presence, request: PollRequest, watch: Subscription, ends_at: float
    ) -> PollReply:
        arrived_at = self._clock.monotonic()
        result = self._check(presence, request, has_just_arrived=True)
        self._announce(presence)
        was_draining, granted = presence.is_draining, presence.granted
        ends_at = min(ends_at, arrived_at + self._poll_recorder.max_wait_seconds(presence))
        while not (
            result.has_changes(presence.notified_jobs)
            or presence.pending_work
            or (presence.is_draining, presence.granted) != (was_draining, granted)
            or labels_to_announce(presence, request) is not None
        ):
            limit = min(ends_at, arrived_at + BUSY_POLL_SECONDS) if presence.busy else ends_at
            remaining = limit - self._clock.monotonic()
            if remaining <= 0:
                break

            changed = self._wait(presence, watch, remaining)
            if presence.is_revoked:
                raise NotAuthenticated(
                    "this worker was revoked", hint="Enrol it again with a new join token."
                )
            if presence.open_polls.get(request.boot_id) is not watch:
                return PollReply(drain=presence.is_draining, formats=SUPPORTED_FORMATS)
            # Where nothing has changed, the next poll comes at once, and looks afresh.
            has_ended = not changed and self._clock.monotonic() >= ends_at
            if self._is_closing or presence.pending_work or has_ended:
                break
            if presence.has_disconnected:
                return PollReply(formats=SUPPORTED_FORMATS)

            result = self._check(presence, request, has_just_arrived=False)

        return self._reply(presence, request, result)

    def _announce(self, presence: Presence) -> None:
        """Tell whoever looks that a worker has come, once all that is shown of it is known."""
        if presence.has_come:
            presence.has_come = False
            self._lease_service.notify_org(presence)

    def _wait(self, presence: Presence, watch: Subscription, seconds: float) -> bool:
        """Wait to be woken, in the meantime as one who has room if so. Return whether it was."""
        if self._lease_service.free_slots(presence, presence.busy) > 0:
            self._fleet.begin_waiting(presence)
        was_woken = bool(watch.wait(seconds))
        self._fleet.end_waiting(presence)
        return was_woken

    def _reply(self, presence: Presence, request: PollRequest, result: PollResult) -> PollReply:
        """Return what was found, which the worker is told once."""
        presence.notified_jobs.update(result.cancel, result.drop)
        work = (*result.leased.work, *presence.pending_work)
        presence.pending_work.clear()
        return PollReply(
            work=work,
            cancel=tuple(result.cancel),
            drop=tuple(result.drop),
            drain=presence.is_draining,
            withheld=self._fleet.withheld_reason(presence),
            granted=labels_to_announce(presence, request),
            formats=SUPPORTED_FORMATS,
        )

    def _check(
        self, presence: Presence, request: PollRequest, *, has_just_arrived: bool
    ) -> PollResult:
        """Compare what the worker holds with what it should, and lease what it can take.

        All in one transaction; none where there can be nothing to find.
        """
        is_known_idle = has_just_arrived and self._poll_recorder.is_known_idle(presence)
        if is_known_idle and not self._lease_service.queue.may_wait_for(presence):
            return NOTHING

        self._poll_recorder.begin_look(presence)
        try:
            result = self._database.write(
                lambda db: self._compare_and_lease(db, presence, request, has_just_arrived)
            )
        except BaseException:
            self._poll_recorder.read_again(presence)
            raise
        presence.busy = result.busy
        if not result.is_idle:
            presence.idle_until = 0.0
        for job in result.returned:
            # A paused job that goes on keeps its id: it may be on lease again already.
            self._lease_store.end_of_fence(job.id, job.fence)
        for org_id in {job.org_id for job in result.returned}:
            self._fleet.wake_org(org_id)
        self._lease_service.granted(presence, result.leased)
        self._jobs.unknown.note(presence, result.unknown)
        return result

    def _compare_and_lease(
        self, db: Connection, presence: Presence, request: PollRequest, has_just_arrived: bool
    ) -> PollResult:
        result = PollResult()
        held = jobs.list_held(db, presence.worker_id)
        listed = {job.job_id: job.fence for job in request.jobs}
        if has_just_arrived:
            self._poll_recorder.record(db, presence, request)
            result.returned = [job for job in held if self._was_never_received(job, listed)]
            held = [job for job in held if job not in result.returned]
            for job in result.returned:
                self._jobs.give_back(db, job)
        is_known = {job.id for job in held if job.state == JobState.RUNNING or job.id in listed}
        result.cancel = [job.id for job in held if job.is_cancel_requested and job.id in is_known]
        result.drop, result.unknown = jobs_to_drop(db, presence.worker_id, listed, held)
        if request.paused:
            note_paused_to_drop(db, presence.worker_id, request, result)
        if not self._fleet.held:  # else they may be of a state that this server does not know
            result.drop += result.unknown
        running = listed.keys() & set(result.drop)
        occupied = len(held) + len(running)
        if request.resumes_only:
            result.leased = self._lease_service.lease_paused(db, presence, occupied)
        else:
            free = self._lease_service.free_slots(presence, occupied)
            result.leased = self._lease_service.lease_waiting(db, presence, free)
        result.busy = len(held) + len(result.leased.items)
        return result

    def _was_never_received(self, job: JobRow, listed: dict[str, int]) -> bool:
        """Return whether a worker that polls without listing this job cannot know of it."""
        return (
            job.state == JobState.LEASED
            and listed.get(job.id) != job.fence
            and not self._lease_store.may_be_in_transit(job.id)
        )

    @contextmanager
    def reserve_slot(self, org_id: str, wanted: Requirements) -> Iterator[SlotReservation | None]:
        """Keep a waiting worker's slot for an automation that is triggered inside.

        None if nobody waits.

        A worker waits only when nothing is queued that it could take, so that nobody is overtaken.
        """
        presence = self._fleet.choose_waiting(org_id, wanted)
        if presence is None:
            yield None
            return
        reservation = SlotReservation(self._lease_service, presence)
        presence.reserved_slots += 1
        try:
            yield reservation
            presence.pending_work += reservation.leased.work
            presence.busy += len(reservation.leased.items)
            self._lease_service.granted(presence, reservation.leased)
        finally:
            presence.reserved_slots -= 1
            presence.wake()
        if reservation.leased.work:  # its worker is answered before whoever triggered it is
            gevent.sleep(0)

    def wake_worker(self, worker_id: str) -> None:
        """Wake this worker's open poll, as something about its jobs has changed."""
        if presence := self._fleet.find(worker_id):
            presence.wake()

    def job_cancelled(self, job: JobRow) -> None:
        """Wake the worker that has a job, and whoever may use its place in the org."""
        self.wake_worker(job.worker_id)
        self._lease_service.make_use_of_room(job.org_id)

    def close(self) -> None:
        """Answer every open poll, because the server stops."""
        self._is_closing = True
        self._fleet.wake_everyone()
