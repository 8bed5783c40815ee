"""What a poll shows of its worker before it gets work: its clock, its instance, its labels.

Nothing of that is trusted further than to give a worker less: what it may have beyond is granted by
people.
"""

from __future__ import annotations

import logging

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.clocks import is_off, offset_of, offset_text
from opsicle.domain.stored_json import CANNOT_BE_READ
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import SystemActor, WorkerActor
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.fleet.presence import Presence
from opsicle.server.store import audit, worker_status
from opsicle.server.store.database import Connection, Database
from opsicle.server.workers.worker_facts import check_facts
from opsicle.wire.worker_api import POLL_SECONDS, PollRequest

log = logging.getLogger(__name__)

WITHHELD_POLL_SECONDS = 10.0
"""How long the poll of a worker is held that is given no work: its next one may show that it can
have some again."""

AMBIGUOUS_POLL_SECONDS = 1.0
"""The same where that has just been found, or is not certain: a server that was paused reads polls
of long ago."""


class PollRecorder:
    """Looks at each poll as it comes in."""

    def __init__(self, database: Database, fleet: Fleet, clock: Clock) -> None:
        self._database = database
        self._fleet = fleet
        self._clock = clock

    def note(self, worker: WorkerActor, request: PollRequest) -> Presence:
        """Note what a worker says of itself, and end the poll that this one replaces.

        Raises InvalidInput for labels or slots that no worker can have.
        """
        presence = self._fleet.find(worker.worker_id)
        if presence is None or (presence.poll.labels, presence.poll.slots) != (
            request.labels,
            request.slots,
        ):
            check_facts(request.labels, request.slots)

        was_connected = self._fleet.is_connected(worker.worker_id)
        if presence is None:
            presence = Presence(
                worker.worker_id, worker.name, worker.org_id, request, 0.0, worker.is_shared
            )
            self._fleet.add(presence)

        if not _says_the_same(request, presence.poll):
            presence.idle_until = 0.0
        presence.poll = request
        presence.seen_at = self._clock.monotonic()
        self._note_clock(presence, request)
        self._note_instance(presence, worker, request)
        presence.has_left = presence.has_disconnected = False
        presence.has_come = presence.has_come or not was_connected
        return presence

    def is_known_idle(self, presence: Presence) -> bool:
        """Return whether a worker has nothing, and a look would find nothing but work that waits.

        A shared worker always looks: which orgs it serves is the database's to say.
        """
        has_any = presence.poll.jobs or presence.poll.paused
        is_out = presence.is_shared or presence.is_revoked
        return self._clock.monotonic() < presence.idle_until and not (has_any or is_out)

    def begin_look(self, presence: Presence) -> None:
        """Suppose that a look will find nothing.

        Before it, so that whoever wakes the worker meanwhile has the last word.
        """
        presence.idle_until = (
            self._clock.monotonic() + worker_status.LAST_SEEN_INTERVAL.total_seconds()
        )

    def record(self, db: Connection, presence: Presence, request: PollRequest) -> None:
        """Record what the worker says, and read what people say of it.

        Called in the poll's transaction.
        """
        self._take_in(
            presence, worker_status.record_poll(db, presence.worker_id, request, self._clock.now())
        )

    def read_again(self, presence: Presence) -> None:
        """Read again what people say of a worker, after its poll's transaction was undone.

        What that has read may never have become durable.
        """
        presence.idle_until = 0.0
        self._take_in(
            presence,
            self._database.read(lambda db: worker_status.get_status(db, presence.worker_id)),
        )

    def _take_in(self, presence: Presence, status: worker_status.WorkerStatus) -> None:
        presence.is_draining = status.is_draining
        if status.granted_labels != presence.granted:
            presence.granted = status.granted_labels
        if (
            status.copied_from and not presence.instances.copied
        ):  # found out before the server started
            presence.recorded_copy = stored_json.read_or(
                status.copied_from, tuple[str, ...], (CANNOT_BE_READ,)
            )
            presence.instances.restore_copied(presence.recorded_copy, self._clock.monotonic())

    def max_wait_seconds(self, presence: Presence) -> float:
        """Return how many seconds a poll of this worker may be held at most."""
        was_withheld, presence.was_withheld = (
            presence.was_withheld,
            bool(self._fleet.withheld_reason(presence)),
        )
        now = self._clock.monotonic()
        if presence.instances.is_observing(now) or presence.instances.is_ambiguous(now):
            return AMBIGUOUS_POLL_SECONDS
        if presence.was_withheld:
            return WITHHELD_POLL_SECONDS if was_withheld else AMBIGUOUS_POLL_SECONDS
        return POLL_SECONDS

    def _note_clock(self, presence: Presence, request: PollRequest) -> None:
        before = presence.clock_offset
        if request.sent_at_ms is None:
            presence.clock_offset = None
            return
        offset = presence.clock_offset = offset_of(request.sent_at_ms, self._clock.now())
        was_off = before is not None and is_off(before)
        if is_off(offset) and not was_off:
            facts = {
                "worker": presence.name,
                "worker_id": presence.worker_id,
                "clock": f"{offset_text(offset)} ours",
            }
            log.warning(
                "a worker's clock is off: it is given no work until that is right", extra=facts
            )
        elif was_off and not is_off(offset):
            log.info("a worker's clock is right again", extra={"worker": presence.name})

    def _note_instance(self, presence: Presence, worker: WorkerActor, request: PollRequest) -> None:
        instances, now = presence.instances, self._clock.monotonic()
        is_new = instances.record_poll(
            request.boot_id, worker.address, now, has_left=presence.has_left
        )
        instances.drop_silent(now)
        if is_new:  # an older instance is owed no answer: most likely it has ended
            presence.wake()
            presence.open_polls.clear()
        elif watch := presence.open_polls.get(request.boot_id):
            watch.wake()
        if instances.copied != presence.recorded_copy:
            self._record_copy(presence, worker)

    def _record_copy(self, presence: Presence, worker: WorkerActor) -> None:
        """Keep whether a copy is known of. If that fails the next poll tries again."""
        before, presence.recorded_copy = presence.recorded_copy, presence.instances.copied
        try:
            self._record(
                worker,
                "notice_copy" if presence.instances.copied else "end_copy",
                presence.instances.copied,
            )
        except BaseException:
            presence.recorded_copy = before
            raise
        facts = {
            "worker": presence.name,
            "worker_id": worker.worker_id,
            "addresses": list(presence.instances.copied),
        }
        if presence.instances.copied:
            log.error("two processes use one worker's identity: neither is given work", extra=facts)
        else:
            log.warning("only one process uses the worker's identity again", extra=facts)

    def _record(self, worker: WorkerActor, verb: str, addresses: tuple[str, ...]) -> None:
        def work(db: Connection) -> None:
            copied_from = msgspec.json.encode(addresses).decode() if addresses else None
            worker_status.set_copied_from(db, worker.worker_id, copied_from)
            data = {"name": worker.name, "addresses": list(addresses)}
            audit.append(
                db,
                self._clock.now(),
                worker.record,
                SystemActor(),
                verb,
                f"workers/{worker.worker_id}",
                data,
            )

        self._database.write(work)


def _says_the_same(request: PollRequest, before: PollRequest) -> bool:
    """Return whether a poll says what the one before it said, but for when that was."""
    undated = msgspec.structs.replace(
        request, sent_at_ms=before.sent_at_ms, wait_seconds=before.wait_seconds
    )
    return undated == before
