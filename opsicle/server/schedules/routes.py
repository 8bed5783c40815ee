"""Schedules: push, list, show, versions, delete, pause, resume, next times, run now."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.domain.schedules import MAX_SHOWN
from opsicle.server.documents.versions import number_in
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.schedules.service import Schedules
from opsicle.server.store.documents import DocumentKind
from opsicle.wire.endpoints import schedules as endpoints
from opsicle.wire.user_api import SourceRequest

_SHOWN = 5


def routes(schedules: Schedules) -> list[Route]:
    """Return the routes of schedules."""
    view, manage = Action.SCHEDULES_VIEW, Action.SCHEDULES_MANAGE
    return [
        Route(endpoints.LIST_SCHEDULES, partial(list_schedules, schedules), view),
        Route(endpoints.PUSH, partial(push, schedules), manage),
        Route(endpoints.SHOW, partial(show, schedules), view),
        Route(endpoints.DELETE, partial(delete, schedules), manage),
        Route(endpoints.LIST_VERSIONS, partial(list_versions, schedules), view),
        Route(endpoints.SHOW_VERSION, partial(show_version, schedules), view),
        Route(endpoints.PAUSE, partial(pause, schedules), manage),
        Route(endpoints.RESUME, partial(resume, schedules), manage),
        Route(endpoints.NEXT_TIMES, partial(next_times, schedules), view),
        Route(endpoints.RUN, partial(run, schedules), Action.AUTOMATIONS_CREATE),
    ]


def list_schedules(schedules: Schedules, request: Request) -> Reply:
    """List the org's schedules by name, each in its newest version."""
    return list_reply(request, schedules.list_schedules)


def push(schedules: Schedules, request: Request) -> Reply:
    """Make a new version of a schedule: 201, or 200 if the newest one says the same already."""
    pushed = schedules.push(request.actor, request.body(SourceRequest).source)
    return Reply(201 if pushed.is_new else 200, pushed)


def show(schedules: Schedules, request: Request, schedule: str) -> Reply:
    """Show a schedule in its newest version."""
    return Reply(200, schedules.get(request.actor, schedule))


def delete(schedules: Schedules, request: Request, schedule: str) -> Reply:
    """Take a schedule out of use; what it has started goes on."""
    schedules.delete(request.actor, schedule)
    return Reply(204)


def list_versions(schedules: Schedules, request: Request, schedule: str) -> Reply:
    """List a schedule's versions, newest first."""
    return list_reply(
        request,
        lambda actor, cursor, limit: schedules.list_versions(actor, schedule, cursor, limit),
    )


def show_version(schedules: Schedules, request: Request, schedule: str, version: str) -> Reply:
    """Show one version of a schedule."""
    number = number_in(DocumentKind.SCHEDULE, schedule, version)
    return Reply(200, schedules.get(request.actor, schedule, number))


def pause(schedules: Schedules, request: Request, schedule: str) -> Reply:
    """Let a schedule start nothing by itself until it is resumed."""
    return Reply(200, schedules.pause(request.actor, schedule))


def resume(schedules: Schedules, request: Request, schedule: str) -> Reply:
    """Let a paused schedule go on with its next time."""
    return Reply(200, schedules.resume(request.actor, schedule))


def next_times(schedules: Schedules, request: Request, schedule: str) -> Reply:
    """Show the next times of a schedule, five unless `count` says otherwise."""
    count = request.query_int("count", _SHOWN, low=1, high=MAX_SHOWN)
    return Reply(200, schedules.next_times(request.actor, schedule, count))


def run(schedules: Schedules, request: Request, schedule: str) -> Reply:
    """Run now what a schedule starts, as the caller. `Idempotency-Key` makes it safe to repeat."""
    return Reply(201, schedules.run(request.actor, schedule, request.idempotency_key))
