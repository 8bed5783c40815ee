"""Removing logs that need not be kept: those of long ago, and what is over an org's share.

A log goes whole, the oldest first, and never one of an automation that has not ended. It stays
known when it was removed and by which rule. The record has an entry before anything is removed: if
the server dies in between, the next turn removes it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import gevent
import msgspec

from opsicle.domain.artifacts import MIB
from opsicle.domain.automations import AutomationState, is_final
from opsicle.kit.clock import Clock
from opsicle.kit.ids import lowest_id
from opsicle.server.access.actor import SystemActor
from opsicle.server.automations.retention import LEAST_AGE
from opsicle.server.dispatch.job_logs import JobLogs
from opsicle.server.store import audit, log_retention
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.log_retention import JobEnding
from opsicle.server.store.whole_logs import JobLogRow

LOGS_AT_ONCE = 100
"""Of which it is looked up whether they may go: that holds the event loop."""

PAUSE_SECONDS = 0.01
"""Between two steps, so that others have the greater part of the event loop."""


class LogRule(msgspec.Struct, frozen=True):
    """What an org's logs must not exceed: `text` says it to people.

    Those that ended before a time go; or the oldest, until `excess` bytes have gone.
    """

    text: str
    ended_before: datetime
    excess: int | None = None


class LogRetention:
    """Removes logs. Called again it goes on where it was."""

    def __init__(self, database: Database, job_logs: JobLogs, clock: Clock) -> None:
        self._database = database
        self._job_logs = job_logs
        self._clock = clock

    def prune(self, keep: timedelta) -> int:
        """Remove what is older than the server or its org keeps logs, then what is too much.

        Return how many logs went, and give their room back to the disk.
        """
        self._job_logs.removals.finish()
        total = 0
        for org_id in self._job_logs.usage():
            total += self._apply(org_id, self._age_rule(org_id, keep))
        if total:
            self._job_logs.removals.release_free_space()
        return total + self.shrink()

    def shrink(self) -> int:
        """Remove the oldest logs of each org that has more than its share.

        Return how many logs went, and give their room back to the disk.
        """
        total = sum(self._shrink(*each) for each in self._job_logs.usage().items())
        if total:
            self._job_logs.removals.release_free_space()
        return total

    def make_room(self, org_id: str) -> int:
        """Remove the oldest logs of one org that has all its share. Return how many went."""
        return self._shrink(org_id, self._job_logs.usage().get(org_id, 0))

    def _shrink(self, org_id: str, stored: int) -> int:
        most = self._share(org_id) if org_id else stored
        if stored < most or not org_id:
            return 0
        text = f"the logs of the org may take {_size_text(most)}"
        return self._apply(org_id, LogRule(text, self._clock.now(), stored - most + 1))

    def _share(self, org_id: str) -> int:
        """Return how many bytes an org's logs may take, by the server and by the org itself."""
        quotas = self._job_logs.quotas
        quota = quotas.of(org_id) if quotas else None
        server = self._job_logs.bounds.org_bytes if quota is None else quota
        own = self._database.read(lambda db: log_retention.find_mib(db, org_id))
        return server if own is None else min(server, own * MIB)

    def _age_rule(self, org_id: str, keep: timedelta) -> LogRule:
        own = self._database.read(lambda db: log_retention.find_days(db, org_id))
        days = min(keep.days, own or keep.days)
        before = self._clock.now() - timedelta(days=days)
        return LogRule(f"logs are kept for {days} {'day' if days == 1 else 'days'}", before)

    def _apply(self, org_id: str, rule: LogRule) -> int:
        """Remove step by step what a rule says. Return how many logs that were."""
        after_id, total, freed = "", 0, 0
        while rule.excess is None or freed < rule.excess:
            rows = self._job_logs.removals.list_kept(org_id, after_id, LOGS_AT_ONCE)
            if rule.excess is None:
                # A job that began later has not ended before.
                rows = [row for row in rows if row.job_id < lowest_id(rule.ended_before)]
            if not rows:
                break

            after_id = rows[-1].job_id
            if not all(row.stored for row in rows):
                rows = self._job_logs.removals.look_up_sizes(rows)
            going = self._going(rows, rule, freed)
            if going:
                freed += sum(row.stored for row in going)
                total += len(going)
                self._remove(org_id, going, rule)
            gevent.sleep(PAUSE_SECONDS)
        return total

    def _going(self, rows: list[JobLogRow], rule: LogRule, freed: int) -> list[JobLogRow]:
        """Return those of some logs that go by a rule, of which so much has gone already."""
        ids = [row.job_id for row in rows]
        found = self._database.read(lambda db: log_retention.list_endings(db, ids))
        endings = {ending.job_id: ending for ending in found}

        going: list[JobLogRow] = []
        for row in rows:
            if rule.excess is not None and freed >= rule.excess:
                break
            if self._may_go(row, endings.get(row.job_id), rule.ended_before):
                going.append(row)
                freed += row.stored
        return going

    def _may_go(self, row: JobLogRow, ending: JobEnding | None, before: datetime) -> bool:
        """Return whether a log belongs to what ended before a time.

        What ended unknown may go on for as long as its worker may come back.
        """
        if ending is None:  # its automation is gone
            return datetime.fromtimestamp(row.last_ms / 1000, UTC) < before
        if ending.finished_at is None or not is_final(ending.automation_state):
            return False
        if ending.automation_state is AutomationState.UNKNOWN:
            before = min(before, self._clock.now() - LEAST_AGE)
        return ending.finished_at < before

    def _remove(self, org_id: str, rows: list[JobLogRow], rule: LogRule) -> None:
        entry = {
            "logs": len(rows),
            "bytes": sum(row.stored for row in rows),
            "first": rows[0].job_id,
            "last": rows[-1].job_id,
            "rule": rule.text,
        }

        def work(db: Connection) -> None:
            audit.append(
                db, self._clock.now(), org_id or None, SystemActor(), "prune", "logs", entry
            )

        self._database.write(work)
        self._job_logs.removals.remove([row.job_id for row in rows], rule.text)


def _size_text(count: int) -> str:
    mib = count // MIB
    return f"{mib // 1024} GiB" if mib and mib % 1024 == 0 else f"{mib} MiB"
