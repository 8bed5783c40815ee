"""Removing what ended long ago: automations with their jobs, approvals, decisions, notices, deliveries and logs.

What is removed at once is bounded in rows and bytes, for each step holds the event loop, and the record keeps an entry
of each. Three things stay, whatever their age: what has not ended; what ended within `LEAST_AGE`, because a request
may be sent again, and a worker may come back, that long; and a run with which an approver compares what is asked now.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import gevent

from opsicle.domain.automations import is_final
from opsicle.kit.clock import Clock
from opsicle.kit.ids import first_id
from opsicle.server.services.actor import SystemActor
from opsicle.server.services.job_logs import JobLogs
from opsicle.server.store import approvals, audit, orgs, retention
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.retention import OldRow

LEAST_AGE = timedelta(days=7)

ROWS_AT_ONCE = 20
BYTES_AT_ONCE = 256 * 1024
PAUSE_SECONDS = 0.01
"""Between two steps, so that others have the greater part of the event loop."""

_AFTER_ALL = "~"
"""Sorts behind every id."""


@dataclass(frozen=True)
class Keep:
    """How long things are kept. `automations` None: by age for ever; `count` None: however many of each org."""

    logs: timedelta
    audit: timedelta | None = None
    automations: timedelta | None = None
    count: int | None = None


@dataclass
class _Pass:
    """One walk through an org's automations, oldest first. Each limit is an id and a time of ending."""

    org_id: str
    limits: list[tuple[str, datetime]]
    compared: dict[str, set[str]] = field(default_factory=dict)
    after: str = ""

    @property
    def before(self) -> str:
        """Behind this nothing is to go."""
        return max((first for first, _ in self.limits), default="")

    def is_due(self, row: OldRow) -> bool:
        """Whether one is old enough, and has ended."""
        if row.finished_at is None or not is_final(row.state):
            return False
        return any(row.id < first and row.finished_at < until for first, until in self.limits)


class Retention:
    """Removes automations. Called again it goes on where it was."""

    def __init__(self, database: Database, job_logs: JobLogs, clock: Clock) -> None:
        self._database = database
        self._job_logs = job_logs
        self._clock = clock

    def prune(self, keep: Keep) -> int:
        """Remove what need not be kept, and give the room back to the disk; how many automations that were."""
        ids = self._database.read(orgs.list_ids)
        total = sum(self._prune(org_id, keep) for org_id in ids)
        if total:
            self._database.give_room_back()
        return total

    def _prune(self, org_id: str, keep: Keep) -> int:
        walk = _Pass(org_id, self._limits(org_id, keep))
        total = 0
        while rows := self._database.read(
            lambda db: retention.list_oldest(db, org_id, walk.after, walk.before, ROWS_AT_ONCE)
        ):
            total += self._step(walk, rows)
            gevent.sleep(PAUSE_SECONDS)
        return total

    def _limits(self, org_id: str, keep: Keep) -> list[tuple[str, datetime]]:
        now = self._clock.now()
        limits = []
        if keep.automations is not None:
            until = now - max(keep.automations, LEAST_AGE)
            limits.append((first_id(until), until))
        if keep.count is not None:
            count, until = keep.count, now - LEAST_AGE
            oldest_kept = self._database.read_long(lambda db: retention.find_nth_newest(db, org_id, count - 1))
            if oldest_kept is not None:
                limits.append((min(oldest_kept, first_id(until)), until))
        return limits

    def _step(self, walk: _Pass, rows: list[OldRow]) -> int:
        """Remove those of the rows that may go, as many as are not too many bytes, and move on behind the last."""
        going: list[str] = []
        size = 0
        for row in rows:
            if size > BYTES_AT_ONCE:
                break
            walk.after = row.id
            if walk.is_due(row) and not self._is_compared(walk, row):
                going.append(row.id)
                size += row.size
        if not going:
            return 0
        # The logs first: a crash in between leaves an automation without its log, which the next turn removes.
        self._job_logs.delete_of_jobs(self._database.read(lambda db: retention.list_jobs(db, going)))
        return self._database.write(lambda db: self._remove(db, walk.org_id, going))

    def _is_compared(self, walk: _Pass, row: OldRow) -> bool:
        """Whether it is the last approved run before what waits for approval now, or before what comes next."""
        if not row.is_approved_run:
            return False
        if row.template_id not in walk.compared:
            walk.compared[row.template_id] = self._database.read(lambda db: _compared(db, walk.org_id, row.template_id))
        return row.id in walk.compared[row.template_id]

    def _remove(self, db: Connection, org_id: str, going: list[str]) -> int:
        now = self._clock.now()
        data = {"automations": len(going), "first": going[0], "last": going[-1]}
        audit.append(db, now, org_id, SystemActor(), "prune", "automations", data)
        retention.allow(db, org_id, going[-1], now)
        retention.delete_around(db, going)
        return retention.delete(db, going)


def _compared(db: Connection, org_id: str, template_id: str) -> set[str]:
    waiting = retention.list_awaiting(db, org_id, template_id)
    runs = (approvals.find_last_run(db, org_id, template_id, before) for before in (*waiting, _AFTER_ALL))
    return {run for run in runs if run is not None}
