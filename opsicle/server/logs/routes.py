"""Lines of logs, and searches in them."""

from __future__ import annotations

import time
from functools import partial

from opsicle.domain.access import Action
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.patterns import BadPattern, SearchPattern
from opsicle.server.automations.log_queries import line_range, stream
from opsicle.server.dispatch.log_pages import LineRange
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.logs.org_search import LogsFilter
from opsicle.server.logs.search import LineQuery, SearchBudget
from opsicle.server.logs.service import SEARCH_SECONDS, Logs
from opsicle.wire.endpoints import logs as endpoints
from opsicle.wire.pages import MAX_PAGE_SIZE, PAGE_SIZE


def routes(logs: Logs) -> list[Route]:
    """Return the routes of logs."""
    view = Action.AUTOMATIONS_VIEW
    return [
        Route(endpoints.LINES, partial(lines, logs), view),
        Route(endpoints.FIND, partial(find, logs), view),
        Route(endpoints.SEARCH, partial(search, logs), view),
    ]


def lines(logs: Logs, request: Request, automation_id: str) -> Reply:
    """Return lines of the newest job's log, with their numbers and times.

    With `plan` of the newest plan's, as it stays beside what has run after it.
    Up to `lines` of them from number `from_line` on, or from the first that
    begins at `from_byte` of the log or behind it, or the last `tail`; only such as stand before
    number `before_line`; of one `stream` alone if that is `stdout` or `stderr`; and only such as
    began from `from` to before `to`, by the worker's clock. `next_line` is where to go on.
    """
    wanted, of_plan = line_range(request), request.query_bool("plan")
    return Reply(200, logs.lines(request.actor, automation_id, wanted, of_plan=of_plan))


def find(logs: Logs, request: Request, automation_id: str) -> Reply:
    """Search the newest job's log for a `text`, or for an expression as RE2 has it with `regex`.

    With `plan` the newest plan's. Answers after two seconds at the latest, and says how much it has
    searched: `next_cursor` goes on there. Lines beyond `limit` are counted in `matches`.
    """
    budget = _budget(request)
    with request.on_disconnect(budget.cancel):
        found = logs.find(
            request.actor,
            automation_id,
            _line_query(request),
            request.query("cursor"),
            budget,
            of_plan=request.query_bool("plan"),
        )
    return Reply(200, found)


def search(logs: Logs, request: Request) -> Reply:
    """Search the logs of the org's automations that one may see, the newest first.

    For a `text`, or for an expression as RE2 has it with `regex`, in lines that began from `since`
    to before `until`. Answers after two seconds at the latest, and says how much it has searched:
    `next_cursor` goes on there.
    """
    budget = _budget(request)
    with request.on_disconnect(budget.cancel):
        found = logs.search(
            request.actor,
            _line_query(request, "since", "until"),
            LogsFilter(request.query("template")),
            request.query("cursor"),
            budget,
        )
    return Reply(200, found)


def _budget(request: Request) -> SearchBudget:
    limit = request.query_int("limit", PAGE_SIZE, low=1, high=MAX_PAGE_SIZE)
    return SearchBudget(time.monotonic() + SEARCH_SECONDS, limit)


def _line_query(request: Request, since: str = "", until: str = "") -> LineQuery:
    """Return what is looked for. Raises InvalidInput for an expression that is none."""
    try:
        pattern = SearchPattern(
            request.query("text"),
            is_regex=request.query_bool("regex"),
            ignores_case=request.query_bool("ignore_case"),
        )
    except BadPattern as error:
        message = f"what is looked for cannot be used: {error}"
        raise InvalidInput(message, problems=(Problem("query.text", str(error)),)) from error
    times = LineRange(
        since=request.query_time(since) if since else None,
        until=request.query_time(until) if until else None,
    )
    return LineQuery(pattern, stream(request), times.since_ms, times.until_ms)
