"""Which workers are connected, what they said of themselves last, and which of their polls is open.

Only an index: a server that starts knows nobody, and has learnt of all within one poll.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from opsicle.domain.workers import SHARED, Candidate, Requirements, can_take
from opsicle.kit.clock import Clock
from opsicle.server.services.signals import Watch
from opsicle.wire.jobs import Work
from opsicle.wire.worker_api import LEASE_SECONDS, PollRequest


@dataclass(slots=True)
class Presence:
    """A worker that has polled since this server started. `seen_at` is in seconds of the monotonic clock.

    A shared one has no `org_id`: it serves the orgs that let it.
    """

    worker_id: str
    name: str
    org_id: str
    poll: PollRequest
    seen_at: float
    is_shared: bool = False
    is_draining: bool = False
    is_revoked: bool = False
    has_left: bool = False
    busy: int = 0
    open_poll: Watch | None = None
    is_waiting: bool = False
    promised: int = 0
    """Slots that a transaction under way will fill."""
    handed: list[Work] = field(default_factory=list)
    """Work that a trigger has leased to this worker, for the open poll to deliver."""
    told: set[str] = field(default_factory=set)
    """Jobs of which this worker has been told at once that they are cancelled or lost; later polls only repeat it."""

    @property
    def is_holding(self) -> bool:
        """Whether a poll of this worker is open and waits to be woken."""
        return self.open_poll is not None and self.open_poll.is_waiting

    def wake(self) -> None:
        """Let the open poll, if there is one, look again."""
        if self.open_poll:
            self.open_poll.wake()


class Fleet:
    """The workers' presences, by id.

    `sharing_orgs` let shared workers serve them: an index only, as the database decides at each lease.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._presences: dict[str, Presence] = {}
        self.sharing_orgs: set[str] = set()
        self.held = ""
        """Why nobody is handed anything (see `holds.py`), "" if it is not so."""

    def find(self, worker_id: str) -> Presence | None:
        """A worker that has polled since this server started, or None."""
        return self._presences.get(worker_id)

    def add(self, presence: Presence) -> None:
        """Keep a worker that polls for the first time."""
        self._presences[presence.worker_id] = presence

    def is_connected(self, worker_id: str) -> bool:
        """Whether a poll of this worker is open, or its last one is younger than a lease."""
        presence = self._presences.get(worker_id)
        if presence is None or presence.is_revoked or presence.has_left:
            return False
        return presence.open_poll is not None or self._clock.monotonic() - presence.seen_at < LEASE_SECONDS

    def connected_count(self) -> int:
        """How many workers are connected, of all orgs."""
        return sum(self.is_connected(worker_id) for worker_id in self._presences)

    def candidates(self, org_id: str) -> list[Candidate]:
        """All workers that serve an org and have polled since this server started, for reasons."""
        return [self.candidate(presence) for presence in self._presences.values() if self.serves(presence, org_id)]

    def serves(self, presence: Presence, org_id: str) -> bool:
        """Whether a worker is the org's own, or a shared one that the org lets serve it."""
        return org_id in self.sharing_orgs if presence.is_shared else presence.org_id == org_id

    def sharing_changed(self, org_id: str, allows: bool) -> None:
        """An org has let shared workers serve it, whose open polls look then, or no longer does."""
        if allows:
            self.sharing_orgs.add(org_id)
            self.wake_org(org_id)
        else:
            self.sharing_orgs.discard(org_id)

    def choose_waiting(self, org_id: str, wanted: Requirements) -> Presence | None:
        """Of the workers whose polls wait and who could take such work, the one with the most free slots.

        The org's own come before shared ones. It no longer counts as waiting: who asks must give it work, or wake it.
        None while the queue is held.
        """
        if self.held:
            return None
        waiting = (p for p in self._presences.values() if p.is_waiting and self.serves(p, org_id) and not p.is_revoked)
        able = [presence for presence in waiting if can_take(wanted, self.candidate(presence))]
        if not able:
            return None
        chosen = max(able, key=lambda presence: (not presence.is_shared, presence.poll.slots - presence.busy))
        chosen.is_waiting = False
        return chosen

    def wake_one(self, org_id: str, wanted: Requirements) -> None:
        """Wake the waiting worker that fits best.

        One is enough: it takes what it can, and if work is left it wakes the next. So 2,000 workers do not
        stampede for one automation.
        """
        chosen = self.choose_waiting(org_id, wanted)
        if chosen:
            chosen.wake()

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
        """A worker as the matching rules see it; `busy` overrides how many of its slots are taken."""
        return Candidate(
            name=SHARED if presence.is_shared else presence.name,
            is_shared=presence.is_shared,
            labels=presence.poll.labels,
            runtimes=frozenset(presence.poll.runtimes),
            slots=presence.poll.slots,
            busy=presence.busy if busy is None else busy,
            is_connected=self.is_connected(presence.worker_id),
            is_draining=presence.is_draining or presence.poll.is_draining,
        )
