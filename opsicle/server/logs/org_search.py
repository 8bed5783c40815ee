"""Searching the logs of an org, one request's part of it: which logs, and where to go on."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TypeVar

from opsicle.domain.access import Action
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.server.access.actor import Actor
from opsicle.server.automations.visible import is_visible
from opsicle.server.dispatch.log_index import LineIndex
from opsicle.server.logs.search import (
    LineQuery,
    LogSearch,
    SearchBudget,
    SearchPosition,
    SearchResult,
)
from opsicle.server.logs.views import found_line
from opsicle.server.store import automations, jobs, whole_logs
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.log_database import LogDatabase
from opsicle.wire.log_api import FoundLogLines

T = TypeVar("T")

_LOGS_AT_ONCE = 50
"""Of which it is looked up whether they may be seen: that holds the event loop."""

_CURSOR = re.compile("([0-9a-z~]{1,40}):([0-9]{1,16}):([0-9]{1,16}):([0-9a-z]{0,40})")
_LAST_ID = "~"
"""Sorts behind every id."""


class LogCursor(NamedTuple):
    """Where a search goes on: in which job's log, and with which job's it ends."""

    job_id: str
    position: SearchPosition = SearchPosition()
    first_job_id: str = ""

    def __str__(self) -> str:
        start, after_line = self.position.start, self.position.after_line
        return f"{self.job_id}:{start}:{after_line}:{self.first_job_id}"

    @classmethod
    def parse(cls, text: str) -> LogCursor:
        """Read a cursor. Raises InvalidInput for what none of ours is."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            message = "the cursor is not one of this search"
            raise InvalidInput(message, problems=(Problem("query.cursor", message),))
        return cls(found[1], SearchPosition(int(found[2]), int(found[3])), found[4])


class LogsFilter(NamedTuple):
    """Whose logs are searched: those of one template's automations, "" for all."""

    template: str = ""


class OrgSearch:
    """One request's part of a search through the logs of an org, the newest job's first."""

    def __init__(
        self,
        database: Database,
        log_database: LogDatabase,
        index: LineIndex,
        actor: Actor,
        line_query: LineQuery,
        wanted: LogsFilter,
    ) -> None:
        self._database = database
        self._log_database = log_database
        self._index = index
        self._actor = actor
        self._line_query = line_query
        self._wanted = wanted
        self._searched = SearchResult()
        self._shown: dict[str, AutomationRow] = {}
        self._back_to: datetime | None = None

    def run(self, cursor: LogCursor | None, budget: SearchBudget) -> FoundLogLines:
        """Search from a cursor on, or from the newest, until the budget is spent."""
        total: int | None = None
        if cursor is None:
            of_time = self._read(
                lambda db: whole_logs.measure_time(db, self._actor.org_id, *self._times_ms)
            )
            cursor = LogCursor(_LAST_ID, first_job_id=of_time.first_job_id)
            total = of_time.size if self._sees_all and not of_time.unknown else None

        left: LogCursor | None = cursor
        while left and not budget.is_spent and len(self._searched.hits) < budget.hits:
            left = self._next_logs(left, budget)

        return FoundLogLines(
            items=[found_line(hit, self._shown[hit.job_id]) for hit in self._searched.hits],
            searched_bytes=self._searched.bytes,
            total_bytes=total,
            missing_bytes=self._searched.missing_bytes,
            searched_back_to=self._back_to,
            next_cursor=str(left) if left else "",
        )

    @property
    def _sees_all(self) -> bool:
        """Whether every log is searched, so that it may be said how much that is."""
        is_hidden = self._actor.rights.depends_on_resource(Action.TEMPLATES_VIEW)
        return not self._wanted.template and not is_hidden

    @property
    def _times_ms(self) -> tuple[int, int]:
        return self._line_query.since_ms, self._line_query.until_ms

    def _next_logs(self, cursor: LogCursor, budget: SearchBudget) -> LogCursor | None:
        """Search the next few logs. Return where to go on, None if there are no more."""
        found = self._read(
            lambda db: whole_logs.list_of_time(
                db,
                self._actor.org_id,
                self._times_ms,
                (cursor.first_job_id, cursor.job_id),
                _LOGS_AT_ONCE + 1,
            )
        )
        job_ids = [row.job_id for row in found]
        visible = self._database.read(lambda db: self._visible(db, job_ids[:_LOGS_AT_ONCE]))
        self._shown.update(visible)

        places = [
            (job_id, cursor.position if job_id == cursor.job_id else SearchPosition())
            for job_id in visible
        ]
        for job_id, place in places:
            if not self._index.complete(job_id, lambda: not budget.is_spent):
                return LogCursor(job_id, place, cursor.first_job_id)

        if stopped := self._read(lambda db: self._search(db, places, budget)):
            return LogCursor(*stopped, cursor.first_job_id)
        more = job_ids[_LOGS_AT_ONCE:]
        return LogCursor(more[0], first_job_id=cursor.first_job_id) if more else None

    def _visible(self, db: Connection, job_ids: list[str]) -> dict[str, AutomationRow]:
        """Return those logs that are an automation's newest one and may be seen, newest first."""
        found = {}
        for job in jobs.list_newest_of(db, self._actor.org_id, job_ids):
            row = automations.find(db, self._actor.org_id, job.automation_id)
            is_wanted = row and self._wanted.template in ("", row.template)
            if row and is_wanted and is_visible(db, self._actor, row):
                found[job.job_id] = row
        return found

    def _search(
        self, db: Connection, places: list[tuple[str, SearchPosition]], budget: SearchBudget
    ) -> tuple[str, SearchPosition] | None:
        """Search some logs one by one, in a thread. Return where that stopped, None at the end."""
        for job_id, place in places:
            if budget.is_spent or len(self._searched.hits) >= budget.hits:
                return job_id, place
            stopped = LogSearch(db, job_id, self._line_query, self._searched).run(place, budget)
            if stopped:
                return job_id, stopped
            self._back_to = self._shown[job_id].created_at
        return None

    def _read(self, query: Callable[[Connection], T]) -> T:
        return self._log_database.read_long(query, self._actor.org_id)
