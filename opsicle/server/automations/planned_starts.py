"""Starting an automation at a time that somebody has chosen, and what is planned so.

Everything is checked, bound and asked when it is planned; it stands outside of the queue until its
time has come (`dispatch/run_windows.py`), and whoever planned it must still be allowed to run it
then (`approvals/pre_lease_check.py`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from opsicle.domain.access import Action
from opsicle.domain.templates import Template
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.template_access import is_automation_hidden
from opsicle.server.automations.views import summary
from opsicle.server.automations.waiting import queue_view
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.http.paging import page_of
from opsicle.server.store import planned_starts
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection, Database
from opsicle.wire.pages import Page
from opsicle.wire.user_api import AutomationSummary, RunRequest

FARTHEST = timedelta(days=366)
"""A year: beyond it, a date is more likely a slip."""


class PlannedStarts:
    """What has been planned and has not begun."""

    def __init__(self, database: Database, fleet: Fleet) -> None:
        self._database = database
        self._fleet = fleet

    def list_next(self, actor: Actor, cursor: str, limit: int) -> Page[AutomationSummary]:
        """Return a page of what is planned, what begins first first.

        Those whose templates the caller may not see are left out.
        """
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> list[AutomationRow]:
            rows = planned_starts.list_next(db, actor.org_id, cursor, limit + 1)
            hidden.update(row.id for row in rows if is_automation_hidden(db, actor, row))
            return rows

        hidden: set[str] = set()
        rows = self._database.read(query)
        queue = self._database.read(lambda db: queue_view(db, self._fleet, actor.org_id, rows))
        return page_of(
            rows,
            limit,
            lambda row: summary(row, queue),
            lambda row: row.id,
            lambda row: row.id in hidden,
        )


def wanted_start(request: RunRequest, template: Template, now: datetime) -> datetime | None:
    """Return when an automation is to begin, in UTC; None: as soon as it may.

    Raises InvalidInput where that is too far away, or what it does is planned first.
    """
    if request.start_at is None:
        return None
    if template.plan:
        raise validators.invalid(
            "start_at",
            "the plan of this template would be out of date by then",
            hint="Run it when it is to run; its approvers may say from when on.",
        )
    if request.start_at > now + FARTHEST:
        raise validators.invalid("start_at", "is more than a year away")
    return validators.in_utc(request.start_at, "start_at")
