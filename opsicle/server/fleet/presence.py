"""What a worker said of itself last, and which of its polls is open."""

from __future__ import annotations

import msgspec

from opsicle.server.fleet.process_instances import ProcessInstances
from opsicle.server.fleet.pubsub import Subscription
from opsicle.server.fleet.put_off import PutOffs
from opsicle.wire.jobs import Work
from opsicle.wire.worker_api import PollRequest


class Presence(msgspec.Struct):
    """A worker that has polled since this server started.

    `seen_at` is in seconds of the monotonic clock.

    A shared one has no `org_id`: it serves the orgs that let it. `clock_offset` is how many seconds
    its clock was ahead of the server's at its last poll; None if it does not say its time.
    `granted` are the labels that it was granted.
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
    has_disconnected: bool = False
    has_come: bool = False
    """It was not connected before, and whoever looks has not been told yet that it is."""
    """Whether it closed the connection of the poll that was open: it has died, or will poll again
    in a moment."""
    busy: int = 0
    granted: dict[str, str] = msgspec.field(default_factory=dict)
    clock_offset: float | None = None
    clock_refused_until: float = 0.0
    """Until then it is given nothing, because it has refused an order for its time (monotonic
    seconds)."""
    unsupported: dict[str, tuple[int, ...]] = msgspec.field(default_factory=dict)
    """By automation that it could take if its manifest formats could express it: those formats."""
    put_off: PutOffs = msgspec.field(default_factory=PutOffs)
    was_withheld: bool = False
    """Whether its last poll was answered with a reason why it is given nothing."""
    instances: ProcessInstances = msgspec.field(default_factory=ProcessInstances)
    recorded_copy: tuple[str, ...] = ()
    """`instances.copied` as it stands in the database."""
    open_polls: dict[str, Subscription] = msgspec.field(default_factory=dict)
    """By instance of its process: there is one, unless two processes use one identity."""
    reserved_slots: int = 0
    """Slots that a transaction under way will fill."""
    pending_work: list[Work] = msgspec.field(default_factory=list)
    """Work that a trigger has leased to this worker, for the open poll to deliver."""
    idle_until: float = 0.0
    """Until then a poll that says what the last one said has nothing to look for in the database:
    a look has found nothing, and nobody has woken this worker since (monotonic seconds)."""
    notified_jobs: set[str] = msgspec.field(default_factory=set)
    """Jobs of which this worker has been told at once that they are cancelled or lost; later polls
    only repeat it."""

    @property
    def known_labels(self) -> dict[str, str]:
        """The labels that it was granted and knows of: it would refuse an order for others."""
        poll = self.poll
        return {
            key: text
            for key, text in self.granted.items()
            if text in (poll.labels.get(key), poll.granted.get(key))
        }

    @property
    def disputed_labels(self) -> frozenset[tuple[str, str]]:
        """Labels with which it would refuse an order that excludes them, or may be about to.

        Those that stand against one that it was granted, or that it has not heard of yet.
        """
        labels = (*self.poll.labels.items(), *self.poll.granted.items(), *self.granted.items())
        return frozenset(labels).difference(self.known_labels.items())

    def does_not_support(self, automation_id: str) -> bool:
        """Return whether this was noted, and it was not upgraded since."""
        return self.unsupported.get(automation_id) == self.poll.formats

    def wake(self) -> None:
        """Let the open poll look again, or the next one if there is none."""
        self.idle_until = 0.0
        for watch in self.open_polls.values():
            watch.wake()
