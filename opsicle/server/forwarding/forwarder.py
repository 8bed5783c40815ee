"""Bringing the record to a destination: every entry, in its chain's order, at least once.

Up to where a destination has each chain stands in the database. What is sent and has not settled is
known in memory alone, so that a connection that breaks, or a server that dies, sends it again; the
number of an entry shows that it comes a second time. Nothing else waits for any of this: while a
destination is away, what it lacks is the record itself.
"""

from __future__ import annotations

import heapq
import logging
import ssl
from collections import deque
from datetime import datetime
from functools import partial
from itertools import islice

from opsicle.domain.errors import Unavailable
from opsicle.kit.backoff import Backoff
from opsicle.kit.clock import Clock
from opsicle.server.audit.remarks import ServerRemarks
from opsicle.server.forwarding.destination import Destination
from opsicle.server.forwarding.events import Event
from opsicle.server.store import audit, audit_epochs
from opsicle.server.store import forwarding as store
from opsicle.server.store.database import Connection, Database

log = logging.getLogger(__name__)

_AT_ONCE = 500
"""Entries of all chains that are read and sent in one go."""

_MOST_UNCONFIRMED = 20_000
_TURN_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 60.0
_REMARK_AFTER_SECONDS = 60.0
"""What fails for so long is shown to whoever looks after the server."""


class Forwarder:
    """Brings the record to one destination, a turn of a loop at a time."""

    def __init__(
        self, destination: Destination, database: Database, clock: Clock, remarks: ServerRemarks
    ) -> None:
        self.destination = destination
        self._database = database
        self._clock = clock
        self._remarks = remarks
        self._backoff = Backoff(shortest=1.0, longest=_LONGEST_DELAY_SECONDS)
        self._try_again_at = 0.0
        self._failing_since: float | None = None
        self._remark = ""
        self._sent: dict[str, int] | None = None
        """Up to where each chain was sent, once that is known."""
        self._unconfirmed: deque[tuple[str, int]] = deque()
        self._confirmed = 0
        self._idle_at: int | None = None
        """The version of the database at which there was nothing to send."""

    def begin(self) -> None:
        """Note from where on a new destination gets the record. Before anything is served."""
        self._database.write(partial(store.begin, destination=self.destination.name))

    def turn(self) -> None:
        """Send what there is, for half a second and one batch at most. Never raises OSError."""
        if self._clock.elapsed() < self._try_again_at:
            self._log_failure()
            return
        try:
            self._send()
            self._save_confirmed()
        except OSError as error:
            self._fail(error)
        except Unavailable:  # the database's disk is full; this is tried again
            return
        else:
            if self._failing_since is not None and self._sent is not None:
                self._recover()

    def backlog(self) -> store.Backlog:
        """Return what the destination is not known to have yet."""
        return self._database.read(partial(store.get_backlog, destination=self.destination.name))

    def lag_seconds(self) -> float:
        """Return how old the oldest entry is that the destination is not known to have."""
        oldest: datetime | None = self.backlog().oldest_at
        return max(0.0, (self._clock.now() - oldest).total_seconds()) if oldest else 0.0

    def close(self) -> None:
        """Let go of the destination; what had not settled is sent again by the next start."""
        self.destination.end()

    def _send(self) -> None:
        until = self._clock.elapsed() + _TURN_SECONDS
        while len(self._unconfirmed) < _MOST_UNCONFIRMED and (events := self._next()):
            self.destination.send(events)
            assert self._sent is not None
            for event in events:
                self._sent[event.org_id] = event.seq
                self._unconfirmed.append((event.org_id, event.seq))
            if self._clock.elapsed() >= until:
                break

    def _next(self) -> list[Event]:
        """Return the next events, each chain's in its order, and roughly by their times."""
        if self._sent is None:
            self._sent = self._database.read(
                partial(store.list_cursors, destination=self.destination.name)
            )
        sent = self._sent

        version = self._database.version()
        if version == self._idle_at:
            return []
        heads = self._database.read(store.list_heads)
        behind = [head for head in heads if head.seq > sent.get(head.org_id, 0)]
        if not behind:
            self._idle_at = version
            return []

        behind = behind[:_AT_ONCE]
        each = max(1, _AT_ONCE // len(behind))
        chains = [self._read(head, sent.get(head.org_id, 0), each) for head in behind]
        return list(heapq.merge(*chains, key=lambda event: event.at))

    def _read(self, head: store.ChainHead, after: int, limit: int) -> list[Event]:
        def events_of(db: Connection) -> list[Event]:
            starts = audit_epochs.list_starts(db, head.org_id)
            return [
                Event(head.org_id, head.org, audit_epochs.epoch_of(entry[0], starts), *entry)
                for entry in audit.read_chain(db, head.org_id, after, limit)
            ]

        events = self._database.read(events_of)
        if events and events[0].seq > after + 1:
            log.warning(
                "entries were removed by retention before they were forwarded",
                extra={
                    "destination": self.destination.name,
                    "org": head.org,
                    "first": after + 1,
                    "last": events[0].seq - 1,
                },
            )
        return events

    def _save_confirmed(self) -> None:
        """Note in the database what has surely arrived since the last time."""
        confirmed, name = self.destination.confirmed(), self.destination.name
        count = confirmed - self._confirmed
        if not count:
            return
        arrived = dict(islice(self._unconfirmed, count))
        self._database.write(lambda db: store.save_cursors(db, name, arrived))
        self._confirmed = confirmed
        for _ in range(count):
            self._unconfirmed.popleft()

    def _fail(self, error: OSError) -> None:
        """Forget what had not settled, so that it is sent again, and wait for a while."""
        self.destination.close()
        self._sent, self._idle_at, self._confirmed = None, None, 0
        self._unconfirmed.clear()

        now, delay = self._clock.elapsed(), self._backoff.next_delay()
        self._try_again_at = now + delay
        if self._failing_since is None:
            self._failing_since = now
            log.warning(
                "the record cannot be forwarded",
                extra={"destination": self.destination.name, "reason": _reason(error)},
            )
        self._log_failure()

    def _log_failure(self) -> None:
        since = self._failing_since
        if since is None or self._remark:
            return
        if self._clock.elapsed() - since >= _REMARK_AFTER_SECONDS:
            self._remark = f"the record is not forwarded to {self.destination.name}: see the log"
            self._remarks.shown.append(self._remark)

    def _recover(self) -> None:
        self._backoff.reset()
        self._failing_since = None
        if self._remark in self._remarks.shown:
            self._remarks.shown.remove(self._remark)
        self._remark = ""
        log.info("the record is forwarded again", extra={"destination": self.destination.name})


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the collector's certificate is not to be trusted: {error.verify_message}"
    return error.strerror or str(error) or type(error).__name__
