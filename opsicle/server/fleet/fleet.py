"""Which workers are connected, what they said of themselves last, and which of their polls is open.

Only an index: a server that starts knows nobody, and has learnt of all within one poll.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice

from opsicle.domain import stored_json
from opsicle.domain.clocks import is_off, offset_of, offset_text
from opsicle.domain.manifest_formats import SUPPORTED_FORMATS, format_list, formats_text
from opsicle.domain.workers import SHARED, SUBPROCESS, Candidate, Requirements, can_take
from opsicle.kit.clock import Clock
from opsicle.server.fleet.presence import Presence
from opsicle.server.fleet.waiting_workers import SHARED_POOL, WaitingWorkers
from opsicle.server.store.workers import LastSeenRow
from opsicle.wire.worker_api import LEASE_SECONDS

_SUPPORTED = frozenset(SUPPORTED_FORMATS)

_MOST_COMPARED = 64
"""Workers that are compared for the most free slots, when none is idle: one trigger must not look
at 2,000."""

_MAX_UNSUPPORTED = 100
"""Automations of which one worker is known not to be able to read all, newest last."""

_SMALL_FLEET = 50

_CALM_SECONDS = 1.0


class Fleet:
    """The workers' presences, by id.

    `sharing_orgs` let shared workers serve them: an index only, as the database decides at each
    lease.
    """

    def __init__(self, clock: Clock, sharing_orgs: Iterable[str] = ()) -> None:
        self._clock = clock
        self._presences: dict[str, Presence] = {}
        self._waiting = WaitingWorkers()
        self._described: dict[str, tuple[float, list[Candidate]]] = {}
        self.sharing_orgs = set(sharing_orgs)
        self.limited_orgs: set[str] = set()
        """Orgs that bound how many of their automations run: an index only, as is the above."""
        self.unknown_jobs: dict[str, list[str]] = {}
        """By worker, the jobs that it holds and that the server does not know (see
        `unknown_jobs.py`)."""
        self.held = ""
        """Why nobody is handed anything (see `holds.py`), "" if it is not so."""

    def find(self, worker_id: str) -> Presence | None:
        """Return a worker that has polled since this server started, or None."""
        return self._presences.get(worker_id)

    def add(self, presence: Presence) -> None:
        """Keep a worker that polls for the first time."""
        self._presences[presence.worker_id] = presence

    def is_connected(self, worker_id: str) -> bool:
        """Return whether a poll of this worker is open, or ended well less than a lease ago."""
        presence = self._presences.get(worker_id)
        if (
            presence is None
            or presence.is_revoked
            or presence.has_left
            or presence.has_disconnected
        ):
            return False
        return (
            bool(presence.open_polls) or self._clock.monotonic() - presence.seen_at < LEASE_SECONDS
        )

    def withheld_reason(self, presence: Presence) -> str:
        """Return why a worker is given no work, whatever waits; "" if it may have some."""
        now = self._clock.monotonic()
        if reason := presence.instances.refusal_reason(now):
            return reason

        offset = presence.clock_offset
        if offset is not None and is_off(offset):
            return f"its clock is {offset_text(offset)} the server's"
        if now < presence.clock_refused_until:
            return "it refused an order because of its time: is its clock right?"
        if _SUPPORTED.isdisjoint(presence.poll.formats):
            formats = formats_text("it", presence.poll.formats)
            needed = f"this server needs one of {format_list(SUPPORTED_FORMATS)}"
            return f"{formats}; {needed}"
        return ""

    def note_clock_refusal(self, worker_id: str, sent_at_ms: int | None) -> None:
        """Note that a worker has refused an order for its time.

        It is given nothing for a while, and until its clock is right.
        """
        presence = self._presences.get(worker_id)
        if presence:
            presence.clock_refused_until = self._clock.monotonic() + LEASE_SECONDS
            if sent_at_ms is not None:
                presence.clock_offset = offset_of(sent_at_ms, self._clock.now())

    def note_unsupported(self, presence: Presence, automation_id: str) -> bool:
        """Note that no manifest format of this worker can express what an automation does.

        Return False if that is known already.
        """
        if presence.does_not_support(automation_id):
            return False
        if len(presence.unsupported) >= _MAX_UNSUPPORTED:
            del presence.unsupported[next(iter(presence.unsupported))]
        else:  # what comes after it in the queue may be for this worker
            presence.wake()
        presence.unsupported[automation_id] = presence.poll.formats
        return True

    def note_lack_of_room(self, worker_id: str, automation_id: str, reason: str) -> None:
        """Note that a worker had no room for what an automation is given: not at once again."""
        if presence := self._presences.get(worker_id):
            presence.put_off.note(automation_id, reason, self._clock.monotonic())

    def is_put_off(self, presence: Presence, automation_id: str) -> bool:
        """Return whether a worker gave an automation back just now, or is too old for it."""
        return presence.does_not_support(automation_id) or presence.put_off.is_put_off(
            automation_id, self._clock.monotonic()
        )

    def may_have_work(self, presence: Presence) -> bool:
        """Return whether a worker may be given any work now."""
        is_out = presence.is_draining or presence.is_revoked or presence.poll.is_draining
        return not (
            is_out
            or presence.instances.is_observing(self._clock.monotonic())
            or self.withheld_reason(presence)
        )

    def connected_count(self) -> int:
        """Return how many workers are connected, of all orgs."""
        return sum(self.is_connected(worker_id) for worker_id in self._presences)

    def candidates(self, org_id: str) -> list[Candidate]:
        """Return the workers that serve an org and have polled since the start, for reasons.

        Of a large fleet as they were up to `_CALM_SECONDS` ago: a list and a trigger must not
        describe 2,000 workers.
        """
        now = self._clock.monotonic()
        if len(self._presences) > _SMALL_FLEET and org_id in self._described:
            described_at, known = self._described[org_id]
            if now - described_at < _CALM_SECONDS:
                return list(known)

        known = [
            self.candidate(presence)
            for presence in self._presences.values()
            if self.serves(presence, org_id) and not presence.is_revoked
        ]
        self._described[org_id] = now, known
        return list(known)

    def serves(self, presence: Presence, org_id: str) -> bool:
        """Return whether a worker is the org's own, or a shared one that the org lets serve it."""
        return org_id in self.sharing_orgs if presence.is_shared else presence.org_id == org_id

    def sharing_changed(self, org_id: str, allows: bool) -> None:
        """Note whether an org lets shared workers serve it, and wake their open polls if so."""
        if allows:
            self.sharing_orgs.add(org_id)
            self.wake_org(org_id)
        else:
            self.sharing_orgs.discard(org_id)

    def limit_changed(self, org_id: str, *, is_limited: bool) -> None:
        """Note whether an org bounds how many of its automations run; more may, so look again."""
        if is_limited:
            self.limited_orgs.add(org_id)
        else:
            self.limited_orgs.discard(org_id)
        self.wake_org(org_id)

    def revoke(self, worker_id: str) -> None:
        """Close a revoked worker's open poll at once."""
        if presence := self._presences.get(worker_id):
            presence.is_revoked = True
            presence.wake()

    def set_draining(self, worker_id: str, is_draining: bool) -> None:
        """Let a worker know at once that it is to take no more, or may again."""
        if presence := self._presences.get(worker_id):
            presence.is_draining = is_draining
            presence.wake()

    def grant_labels(self, worker_id: str, labels: dict[str, str]) -> None:
        """Let a worker know which labels it was granted: from its next poll on they count."""
        if presence := self._presences.get(worker_id):
            presence.granted = labels
            presence.wake()

    def choose_waiting(self, org_id: str, wanted: Requirements) -> Presence | None:
        """Return the waiting worker that could take such work, with the most free slots.

        The org's own come before shared ones. It no longer counts as waiting: who asks must give it
        work, or wake it. None while the queue is held.
        """
        if self.held:
            return None
        pools = (org_id, SHARED_POOL) if org_id in self.sharing_orgs else (org_id,)
        for pool in pools:
            if chosen := self._choose_of(self._waiting.candidates(pool, wanted), wanted):
                self.end_waiting(chosen)
                return chosen
        return None

    def _choose_of(self, waiting: Iterable[Presence], wanted: Requirements) -> Presence | None:
        """Return the idle worker that waits longest, or else the one with the most free slots."""
        able = (
            each
            for each in waiting
            if not each.is_revoked and can_take(wanted, self.candidate(each))
        )
        best: Presence | None = None
        for presence in islice(able, _MOST_COMPARED):
            if presence.busy == 0:
                return presence
            if best is None or presence.poll.slots - presence.busy > best.poll.slots - best.busy:
                best = presence
        return best

    def begin_waiting(self, presence: Presence) -> None:
        """Note that a worker's poll waits, with room for work."""
        self._waiting.add(presence)

    def end_waiting(self, presence: Presence) -> None:
        """Note that it waits no longer, or has been chosen; harmless if it did not."""
        self._waiting.remove(presence)

    def wake_one(self, org_id: str, wanted: Requirements) -> bool:
        """Wake the waiting worker that fits best. Return False if there is none.

        One is enough: it takes what it can, and if work is left it wakes the next. So 2,000 workers
        do not stampede for one automation.
        """
        chosen = self.choose_waiting(org_id, wanted)
        if chosen:
            chosen.wake()
        return chosen is not None

    def wake_org(self, org_id: str) -> None:
        """Let all open polls of an org look again: rare, for work that has come back."""
        for presence in self._presences.values():
            if self.serves(presence, org_id):
                presence.wake()

    def wake_everyone(self) -> None:
        """Let every open poll look again, because the server stops."""
        for presence in self._presences.values():
            presence.wake()

    def candidate(self, presence: Presence, busy: int | None = None) -> Candidate:
        """Return a worker as the matching rules see it.

        `busy` overrides how many of its slots are taken.
        """
        withheld = self.withheld_reason(presence)
        is_connected = self.is_connected(presence.worker_id)
        name = SHARED if presence.is_shared else presence.name
        return Candidate(
            name=name,
            worker_id=presence.worker_id,
            is_shared=presence.is_shared,
            labels=presence.known_labels,
            claimed={
                key: text
                for key, text in presence.poll.labels.items()
                if key not in presence.granted
            },
            disputed=presence.disputed_labels,
            put_off=presence.put_off.texts(name, self._clock.monotonic()),
            unsupported=frozenset(filter(presence.does_not_support, presence.unsupported)),
            withheld="whoever runs the server must see to it"
            if withheld and presence.is_shared
            else withheld,
            runtimes=frozenset(presence.poll.runtimes),
            slots=presence.poll.slots,
            busy=presence.busy if busy is None else busy,
            is_connected=is_connected,
            seen_at=None if is_connected else self.last_seen_at(presence),
            was_stopped=presence.has_left,
            is_draining=presence.is_draining or presence.poll.is_draining,
        )

    def last_seen_at(self, presence: Presence) -> datetime:
        """Return when a worker polled last."""
        return self._clock.now() - timedelta(seconds=self._clock.monotonic() - presence.seen_at)


def absent(row: LastSeenRow) -> Candidate:
    """Return a worker of which only what it said before the server started is known."""
    return Candidate(
        name=row.name,
        worker_id=row.id,
        labels=stored_json.read_or(row.granted_labels, dict[str, str], {}),
        claimed=stored_json.read_or(row.labels, dict[str, str], {}),
        runtimes=frozenset(stored_json.read_or(row.runtimes, list[str], []) or [SUBPROCESS]),
        slots=row.slots,
        is_connected=False,
        seen_at=row.last_seen_at,
    )
