"""Removing what ended long ago.

Automations with their jobs, approvals, decisions, deliveries and logs.

What is removed at once is bounded in rows and bytes, for each step holds the event loop, and the
record keeps an entry of each. Three things stay, whatever their age: what has not ended; what ended
within `LEAST_AGE`, because a request may be sent again, and a worker may come back, that long; and
a run with which an approver compares what is asked now.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import gevent
import msgspec

from opsicle.domain.automations import is_final
from opsicle.kit.clock import Clock, to_text
from opsicle.server.access.actor import SystemActor
from opsicle.server.dispatch.job_logs import JobLogs
from opsicle.server.store import approvals, audit, orgs, retention
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.retention import PrunableRow

LEAST_AGE = timedelta(days=7)

ROWS_AT_ONCE = 20
BYTES_AT_ONCE = 256 * 1024
PAUSE_SECONDS = 0.01
"""Between two steps, so that others have the greater part of the event loop."""

_AFTER_ALL = "~"
"""Sorts behind every id."""


class RetentionPeriods(msgspec.Struct, frozen=True):
    """How long things are kept.

    `automations` None: by age for ever; `count` None: however many of each org.
    """

    logs: timedelta
    audit: timedelta | None = None
    automations: timedelta | None = None
    count: int | None = None


class _PruneWalk(msgspec.Struct):
    """One walk through the automations of an org, up to those of a time.

    It goes in the order in which they were triggered, and needs no index of when they ended: what
    ended before that time was triggered before it, and the few old ones that stay are passed over
    again each time. `after_id` is how far it is.

    `compared` holds for each template the runs that approvers compare with.
    """

    org_id: str
    before: datetime
    most: int | None = None
    after_id: str = ""
    compared: dict[str, set[str]] = msgspec.field(default_factory=dict)


class Retention:
    """Removes automations. Called again it goes on where it was."""

    def __init__(self, database: Database, job_logs: JobLogs, clock: Clock) -> None:
        self._database = database
        self._job_logs = job_logs
        self._clock = clock

    def prune(self, keep: RetentionPeriods) -> int:
        """Remove what need not be kept, and give the room back to the disk.

        How many automations that were.
        """
        ids = self._database.read(orgs.list_ids)
        total = sum(self._prune(org_id, keep) for org_id in ids)
        if total:
            self._database.release_free_space()
        return total

    def _prune(self, org_id: str, keep: RetentionPeriods) -> int:
        now = self._clock.now()
        total = 0
        if keep.automations is not None:
            total += self._remove_until(_PruneWalk(org_id, now - max(keep.automations, LEAST_AGE)))
        if keep.count is not None:
            ended = self._database.read_long(lambda db: retention.count_ended(db, org_id))
            total += self._remove_until(
                _PruneWalk(org_id, now - LEAST_AGE, most=ended - keep.count)
            )
        return total

    def _remove_until(self, walk: _PruneWalk) -> int:
        """Remove step by step what ended before a time, `most` of it if that is set.

        How many automations that were.
        """
        total = 0
        while walk.most is None or total < walk.most:
            at_once = ROWS_AT_ONCE if walk.most is None else min(ROWS_AT_ONCE, walk.most - total)
            find = partial(
                retention.list_oldest, org_id=walk.org_id, after_id=walk.after_id, limit=at_once
            )
            rows = self._database.read(find)
            rows = [row for row in rows if row.created_at < to_text(walk.before)]
            if not rows:
                break

            total += self._step(walk, rows)
            gevent.sleep(PAUSE_SECONDS)
        return total

    def _step(self, walk: _PruneWalk, rows: list[PrunableRow]) -> int:
        """Remove the rows that may go, within a bound of bytes, and move on behind the last."""
        going: list[str] = []
        size = 0
        for row in rows:
            if size > BYTES_AT_ONCE:
                break
            walk.after_id = row.id
            if (
                is_final(row.state)
                and _has_ended(row, walk.before)
                and not self._is_compared(walk, row)
            ):
                going.append(row.id)
                size += row.size

        if not going:
            return 0

        # The logs first: a crash in between leaves an automation without its log, which the next
        # turn removes.
        self._job_logs.removals.delete_of_jobs(
            self._database.read(lambda db: retention.list_jobs(db, going))
        )
        return self._database.write(lambda db: self._remove(db, walk, going))

    def _is_compared(self, walk: _PruneWalk, row: PrunableRow) -> bool:
        """Return whether it is the last approved run before what waits, or what comes next."""
        if not row.is_approved_run:
            return False
        if row.template_id not in walk.compared:
            walk.compared[row.template_id] = self._database.read(
                lambda db: _compared(db, walk.org_id, row.template_id)
            )
        return row.id in walk.compared[row.template_id]

    def _remove(self, db: Connection, walk: _PruneWalk, going: list[str]) -> int:
        now, last = self._clock.now(), max(going)
        data = {
            "automations": len(going),
            "first": min(going),
            "last": last,
            "ended_before": to_text(walk.before),
        }
        audit.append(db, now, walk.org_id, SystemActor(), "prune", "automations", data)
        retention.allow(db, walk.org_id, last, now)
        retention.delete_dependents(db, going)
        return retention.delete(db, going)


def _has_ended(row: PrunableRow, before: datetime) -> bool:
    return row.finished_at is not None and row.finished_at < to_text(before)


def _compared(db: Connection, org_id: str, template_id: str) -> set[str]:
    waiting = retention.list_awaiting(db, org_id, template_id)
    runs = (
        approvals.find_last_run(db, org_id, template_id, before)
        for before in (*waiting, _AFTER_ALL)
    )
    return {run for run in runs if run is not None}
