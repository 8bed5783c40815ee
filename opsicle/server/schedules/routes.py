"""Schedules: push, list, show, versions, delete, pause, resume, next times, run now."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.domain.schedules import MAX_SHOWN
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.schedules.service import Schedules
from opsicle.wire.endpoints import schedules as endpoints

_SHOWN = 5


def routes(schedules: Schedules) -> list[Route]:
    """Return the routes of schedules."""
    view, manage = Action.SCHEDULES_VIEW, Action.SCHEDULES_MANAGE
    return [
        serve(endpoints.LIST_SCHEDULES, schedules.list_newest, view),
        serve(endpoints.PUSH, schedules.push, manage),
        serve(endpoints.SHOW, schedules.get, view),
        serve(endpoints.DELETE, schedules.delete, manage),
        serve(endpoints.LIST_VERSIONS, schedules.list_versions, view),
        serve(endpoints.SHOW_VERSION, schedules.get_version, view),
        serve(endpoints.PAUSE, schedules.pause, manage),
        serve(endpoints.RESUME, schedules.resume, manage),
        Route(endpoints.NEXT_TIMES, partial(next_times, schedules), view),
        Route(endpoints.RUN, partial(run, schedules), Action.AUTOMATIONS_CREATE),
    ]


def next_times(schedules: Schedules, request: Request, schedule: str) -> Reply:
    """Show the next times of a schedule, five unless `count` says otherwise."""
    count = request.query_int("count", _SHOWN, low=1, high=MAX_SHOWN)
    return Reply(200, schedules.next_times(request.actor, schedule, count))


def run(schedules: Schedules, request: Request, schedule: str) -> Reply:
    """Run now what a schedule starts, as the caller. `Idempotency-Key` makes it safe to repeat."""
    return Reply(201, schedules.run(request.actor, schedule, request.idempotency_key))
