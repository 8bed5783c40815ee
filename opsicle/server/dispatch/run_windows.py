"""Windows in which approved automations may begin: opening them, and ending what missed its own.

An automation is leased in its window only. One whose window has not opened stands outside of the
queue (`Turn.EARLY`), so that it costs no worker's look anything; a turn of the loop lets it in.
"""

from __future__ import annotations

from datetime import datetime

from opsicle.domain.approvals import Verdict
from opsicle.domain.automations import AutomationState
from opsicle.domain.run_windows import ALWAYS, RunWindow, common_window
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import SystemActor
from opsicle.server.access.stored_values import stored_requirements
from opsicle.server.channels.outbox import Outbox
from opsicle.server.dispatch.concurrency_groups import ConcurrencyGroups, GroupChanges
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.fleet.pubsub import PubSub, automation_topic, org_topic
from opsicle.server.store import approvals, audit, concurrency, run_windows
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.concurrency import ConcurrencyChange
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.run_windows import WindowRow

_AT_ONCE = 100
"""Opened or ended in one unit of work: it holds the event loop."""


class RunWindows:
    """Queues automations when their windows open, and ends those whose windows have closed."""

    def __init__(
        self,
        database: Database,
        groups: ConcurrencyGroups,
        fleet: Fleet,
        pubsub: PubSub,
        outbox: Outbox,
        clock: Clock,
    ) -> None:
        self._database = database
        self._groups = groups
        self._fleet = fleet
        self._pubsub = pubsub
        self._outbox = outbox
        self._clock = clock

    def turn(self) -> int:
        """Open and close the windows of all orgs; return how many that were."""
        done = 0
        while found := self._step():
            done += found
        return done

    def _step(self) -> int:
        now, changes = self._clock.now(), GroupChanges()
        closing = self._database.read(lambda db: run_windows.list_closing(db, now, _AT_ONCE))
        opening = self._database.read(lambda db: run_windows.list_opening(db, now, _AT_ONCE))
        if not (closing or opening):
            return 0

        def work(db: Connection) -> None:
            for row in closing:
                expire(db, self._outbox, row, now)
            for row in opening:
                self._open(db, row)
            self._groups.advance(db, changes)

        self._database.write(work)

        self._groups.announce(changes)
        for row in opening:
            self._fleet.wake_one(row.org_id, stored_requirements(row.requirements))
        for row in (*closing, *opening):
            self._pubsub.changed(automation_topic(row.id), org_topic(row.org_id))
        return len(closing) + len(opening)

    def _open(self, db: Connection, row: WindowRow) -> None:
        if run_windows.open_window(db, row.id) and row.concurrency_key is not None:
            change = ConcurrencyChange(row.org_id, row.concurrency_key, row.id)
            concurrency.insert_change(db, change)


def window_of(db: Connection, approval_id: str | None, planned: RunWindow = ALWAYS) -> RunWindow:
    """Return in which window those who agreed let an automation begin, to be told to people.

    `planned` is what whoever asked has said of it.
    """
    decisions = approvals.list_decisions(db, approval_id) if approval_id else []
    agreed = [each.window for each in decisions if each.verdict is Verdict.APPROVE]
    return common_window([planned, *agreed])


def expire(db: Connection, outbox: Outbox, row: WindowRow | AutomationRow, at: datetime) -> bool:
    """End an automation that has missed its window, inside a transaction. False if it has begun."""
    explanation = window_of(db, row.approval_id).missed_text
    if not run_windows.expire(db, row.id, at, explanation):
        return False
    outbox.post_finished(db, row.org_id, row.id, AutomationState.EXPIRED)
    resource, data = f"automations/{row.id}", {"reason": explanation}
    audit.append(db, at, row.org_id, SystemActor(), "expire", resource, data)
    return True


def is_open(row: AutomationRow, now: datetime) -> bool:
    """Return whether an automation is in its window."""
    window = RunWindow(not_before=row.not_before, not_after=row.not_after)
    return not (window.is_early(now) or window.is_over(now))
