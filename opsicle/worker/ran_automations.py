"""Which automations this worker has begun lately.

After a restore the server may know nothing of it.

Within an epoch the fence says whether an automation may run again: a later one is a new attempt
that the server has decided on. Across epochs nothing does, as what the server remembers of it was
set back; so it is not run again here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

KEPT_FOR = timedelta(days=7)
MOST = 50_000
"""About 10 MB: a worker that runs more in a week remembers the newest."""


class RanEntry(msgspec.Struct, frozen=True):
    """An automation that was begun here, under a fence, in an epoch of the server."""

    automation_id: str
    epoch: int
    fence: int
    at: datetime


class RanAutomations:
    """What is remembered of them, by id, the oldest first."""

    def __init__(self) -> None:
        self._by_id: dict[str, RanEntry] = {}

    def __iter__(self) -> Iterator[RanEntry]:
        return iter(self._by_id.values())

    def add(self, ran: RanEntry) -> None:
        """Remember the newest time of an automation."""
        self._by_id.pop(ran.automation_id, None)
        self._by_id[ran.automation_id] = ran
        if len(self._by_id) > MOST:
            del self._by_id[next(iter(self._by_id))]

    def find_before(self, ran: RanEntry) -> RanEntry | None:
        """Return the earlier time for which an automation may not run now, or None if it may."""
        before = self._by_id.get(ran.automation_id)
        if before is None or (before.epoch == ran.epoch and before.fence < ran.fence):
            return None
        return before

    def newest(self, count: int) -> list[RanEntry]:
        """Return the newest ones, at most so many, the oldest of them first."""
        return list(self._by_id.values())[-count:]

    def forget(self, now: datetime) -> None:
        """Forget what is older than `KEPT_FOR`."""
        for ran in [ran for ran in self._by_id.values() if ran.at + KEPT_FOR < now]:
            del self._by_id[ran.automation_id]
