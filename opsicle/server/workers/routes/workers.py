"""The fleet of the org, and the join tokens with which it grows."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.workers.enrolment import Enrolments
from opsicle.server.workers.service import Workers
from opsicle.wire.endpoints import workers as endpoints
from opsicle.wire.fleet_api import CreateJoinTokenRequest, UpdateWorkerRequest


def routes(workers: Workers, enrolments: Enrolments) -> list[Route]:
    """Return the routes of workers, for people. `<worker>` is an id or a name."""
    view, manage = Action.WORKERS_VIEW, Action.WORKERS_MANAGE
    return [
        Route(endpoints.CREATE_JOIN_TOKEN, partial(create_join_token, enrolments), manage),
        Route(endpoints.LIST_WORKERS, partial(list_workers, workers), view),
        Route(endpoints.SHOW, partial(show, workers), view),
        Route(endpoints.UPDATE, partial(update, workers), manage),
        Route(endpoints.DRAIN, partial(drain, workers), manage),
        Route(endpoints.UNDRAIN, partial(undrain, workers), manage),
        Route(endpoints.REVOKE, partial(revoke, workers), manage),
    ]


def operator_routes(workers: Workers) -> list[Route]:
    """Return the routes of shared workers, for those who run the server."""
    may = Action.SERVER_MANAGE
    return [
        Route(endpoints.LIST_SHARED, partial(list_shared, workers), may),
        Route(endpoints.SHOW_SHARED, partial(show_shared, workers), may),
        Route(endpoints.UPDATE_SHARED, partial(update_shared, workers), may),
        Route(endpoints.DRAIN_SHARED, partial(drain_shared, workers), may),
        Route(endpoints.UNDRAIN_SHARED, partial(undrain_shared, workers), may),
        Route(endpoints.REVOKE_SHARED, partial(revoke_shared, workers), may),
    ]


def create_join_token(enrolments: Enrolments, request: Request) -> Reply:
    """Make a one-time join token; the answer is the only place where it is shown."""
    return Reply(
        201, enrolments.create_join_token(request.actor, request.body(CreateJoinTokenRequest))
    )


def list_workers(workers: Workers, request: Request) -> Reply:
    """List the org's workers in the order of their enrolment; with `all` the revoked ones too."""
    return list_reply(request, partial(workers.list_workers, with_revoked=_wants_all(request)))


def show(workers: Workers, request: Request, worker: str) -> Reply:
    """Show a worker, by id or name."""
    return Reply(200, workers.get(request.actor, worker))


def update(workers: Workers, request: Request, worker: str) -> Reply:
    """Grant a worker other labels than those that it has."""
    return Reply(
        200, workers.grant_labels(request.actor, worker, request.body(UpdateWorkerRequest))
    )


def drain(workers: Workers, request: Request, worker: str) -> Reply:
    """Let a worker finish what it has and take no more."""
    return Reply(200, workers.drain(request.actor, worker))


def undrain(workers: Workers, request: Request, worker: str) -> Reply:
    """Let a draining worker take work again."""
    return Reply(200, workers.undrain(request.actor, worker))


def revoke(workers: Workers, request: Request, worker: str) -> Reply:
    """Shut a worker out for good, at once."""
    return Reply(200, workers.revoke(request.actor, worker))


def list_shared(workers: Workers, request: Request) -> Reply:
    """List shared workers, which serve every org that lets them.

    With `all` the revoked ones too.
    """
    return list_reply(request, partial(workers.list_shared, with_revoked=_wants_all(request)))


def show_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Show a shared worker, by id or name."""
    return Reply(200, workers.get_shared(request.actor, worker))


def update_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Grant a shared worker other labels than those that it has."""
    return Reply(
        200,
        workers.grant_labels(
            request.actor, worker, request.body(UpdateWorkerRequest), is_shared=True
        ),
    )


def drain_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Let a shared worker finish what it has and take no more."""
    return Reply(200, workers.drain(request.actor, worker, is_shared=True))


def undrain_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Let a draining shared worker take work again."""
    return Reply(200, workers.undrain(request.actor, worker, is_shared=True))


def revoke_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Shut a shared worker out for good, at once."""
    return Reply(200, workers.revoke(request.actor, worker, is_shared=True))


def _wants_all(request: Request) -> bool:
    return request.query_bool("all")
