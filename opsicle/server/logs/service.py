"""Reading lines of logs and searching them, for people: only of what they may see.

A log is one with its automation: whoever may see that may read and search it, and for everybody
else there is nothing in it. Secrets were masked before the log came here, so nobody finds them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opsicle.domain.access import Action
from opsicle.domain.automations import JOB_OUTCOMES
from opsicle.domain.errors import InvalidInput
from opsicle.server.access.actor import Actor
from opsicle.server.automations.filters import require_known
from opsicle.server.automations.service import Automations
from opsicle.server.dispatch.job_logs import JobLogs
from opsicle.server.dispatch.log_pages import LinePage, LineRange
from opsicle.server.logs.org_search import LogCursor, LogsFilter, OrgSearch
from opsicle.server.logs.search import (
    LineQuery,
    LogSearch,
    SearchBudget,
    SearchPosition,
    SearchResult,
)
from opsicle.server.logs.views import found_lines, found_matches
from opsicle.server.org_limits import ConcurrencyLimit, FairSemaphore
from opsicle.server.store.automations import AutomationFilter
from opsicle.server.store.database import Database
from opsicle.server.store.log_database import LogDatabase
from opsicle.wire.log_api import FoundLogLines, LogLines, LogMatches

SEARCH_SECONDS = 2.0
"""Of one request; it says where to go on."""

SEARCHES_PER_ORG = 2
"""At once, so that one org leaves room for others, and the machine for jobs."""

SEARCHES_AT_ONCE = 2
"""Of all orgs, who take turns: one thread fewer than read logs, so that a search that takes seconds
keeps nobody from the lines of a page."""


class Logs:
    """Lines of logs, and searches."""

    def __init__(
        self,
        database: Database,
        log_database: LogDatabase,
        job_logs: JobLogs,
        automations: Automations,
    ) -> None:
        self._database = database
        self._log_database = log_database
        self._job_logs = job_logs
        self._automations = automations
        self._under_way = ConcurrencyLimit("log searches", SEARCHES_PER_ORG)
        self._turns = FairSemaphore("log searches", SEARCHES_AT_ONCE, SEARCHES_PER_ORG)

    def lines(
        self, actor: Actor, automation_id: str, wanted: LineRange, *, of_plan: bool = False
    ) -> LogLines:
        """Return lines of the newest job's log, or of the newest plan's.

        Raises NotFound, Gone, and Unreadable if a part that is needed is not there any more.
        """
        job = self._automations.newest_job(actor, automation_id, of_plan=of_plan)
        if job is None:
            return found_lines("", LinePage([], 0))
        self._job_logs.require_kept(job.id)
        page = self._job_logs.ranges.read(job.id, wanted, actor.org_id)
        if job.state in JOB_OUTCOMES:  # nothing comes any more, be it a line feed
            for found in page.lines:
                found.is_whole |= found.is_last
        return found_lines(job.id, page)

    def find(
        self,
        actor: Actor,
        automation_id: str,
        query: LineQuery,
        cursor: str,
        budget: SearchBudget,
        *,
        of_plan: bool = False,
    ) -> LogMatches:
        """Search the newest job's log or plan's, and count on behind the hits that are shown.

        Raises NotFound, Gone, InvalidInput for a cursor of another log, TooManyRequests.
        """
        job = self._automations.newest_job(actor, automation_id, of_plan=of_plan)
        if job is None:
            return found_matches("", SearchResult(), 0, "")
        self._job_logs.require_kept(job.id)
        place = LogCursor.parse(cursor) if cursor else LogCursor(job.id, SearchPosition())
        if place.job_id != job.id:
            raise InvalidInput(
                "another attempt began since the search", hint="Search from the beginning."
            )

        searched = SearchResult()
        with self._turn(actor.org_id, budget):
            self._job_logs.index.complete(job.id, lambda: not budget.is_spent)
            stopped = self._log_database.read_long(
                lambda db: LogSearch(db, job.id, query, searched, counts_on=True).run(
                    place.position, budget
                ),
                actor.org_id,
            )
        next_cursor = str(LogCursor(job.id, stopped)) if stopped else ""
        return found_matches(job.id, searched, self._job_logs.size(job.id), next_cursor)

    def search(
        self,
        actor: Actor,
        query: LineQuery,
        wanted: LogsFilter,
        cursor: str,
        budget: SearchBudget,
    ) -> FoundLogLines:
        """Search the logs of the org's automations, the newest first.

        Of each the newest job's. Raises NotFound for a template that there is not, InvalidInput
        for a cursor of something else, TooManyRequests.
        """
        actor.require(Action.AUTOMATIONS_VIEW)
        named = AutomationFilter(template=wanted.template)
        self._database.read(lambda db: require_known(db, actor, named))
        with self._turn(actor.org_id, budget):
            search = OrgSearch(
                self._database, self._log_database, self._job_logs.index, actor, query, wanted
            )
            return search.run(LogCursor.parse(cursor) if cursor else None, budget)

    @contextmanager
    def _turn(self, org_id: str, budget: SearchBudget) -> Iterator[None]:
        """Wait for a turn, from which the budget's time counts. Raises TooManyRequests."""
        asked_at = time.monotonic()
        with self._under_way.slot(org_id), self._turns.slot(org_id):
            budget.until += time.monotonic() - asked_at
            yield
