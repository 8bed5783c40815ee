"""The fleet of the org, and the join tokens with which it grows."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.api.http import Page, Reply, Request, Route
from opsicle.server.api.lists import LISTING, list_reply
from opsicle.server.services.enrolments import Enrolments
from opsicle.server.services.workers import Workers
from opsicle.wire.fleet_api import CreateJoinTokenRequest, NewJoinToken, UpdateWorkerRequest, Worker

FLEET_LISTING: dict[str, type] = {**LISTING, "all": bool}
"""`all`: 1 for revoked workers too."""


def routes(workers: Workers, enrolments: Enrolments) -> list[Route]:
    """The routes of workers, for people. `<worker>` is an id or a name."""
    view, manage = Action.WORKERS_VIEW, Action.WORKERS_MANAGE
    every, one = "/api/v1/workers", "/api/v1/workers/<worker>"
    return [
        Route(
            "POST",
            f"{every}/tokens",
            partial(create_token, enrolments),
            manage,
            body=CreateJoinTokenRequest,
            reply=NewJoinToken,
            status=201,
        ),
        Route("GET", every, partial(list_workers, workers), view, query=FLEET_LISTING, reply=Page[Worker]),
        Route("GET", one, partial(show, workers), view, reply=Worker),
        Route("PATCH", one, partial(update, workers), manage, body=UpdateWorkerRequest, reply=Worker),
        Route("POST", f"{one}/drain", partial(drain, workers), manage, reply=Worker),
        Route("POST", f"{one}/undrain", partial(undrain, workers), manage, reply=Worker),
        Route("POST", f"{one}/revoke", partial(revoke, workers), manage, reply=Worker),
    ]


def provider_routes(workers: Workers) -> list[Route]:
    """The routes of shared workers, for those who run the server."""
    may, every = Action.PROVIDER_MANAGE, "/api/v1/provider/workers"
    one = f"{every}/<worker>"
    return [
        Route("GET", every, partial(list_shared, workers), may, query=FLEET_LISTING, reply=Page[Worker]),
        Route("GET", one, partial(show_shared, workers), may, reply=Worker),
        Route("PATCH", one, partial(update_shared, workers), may, body=UpdateWorkerRequest, reply=Worker),
        Route("POST", f"{one}/drain", partial(drain_shared, workers), may, reply=Worker),
        Route("POST", f"{one}/undrain", partial(undrain_shared, workers), may, reply=Worker),
        Route("POST", f"{one}/revoke", partial(revoke_shared, workers), may, reply=Worker),
    ]


def create_token(enrolments: Enrolments, request: Request) -> Reply:
    """Make a one-time join token; the answer is the only place where it is shown."""
    return Reply(201, enrolments.create_join_token(request.actor, request.body(CreateJoinTokenRequest)))


def list_workers(workers: Workers, request: Request) -> Reply:
    """List the org's workers in the order in which they enrolled; with `all` the revoked ones too."""
    return list_reply(request, partial(workers.list_workers, with_revoked=_wants_all(request)))


def show(workers: Workers, request: Request, worker: str) -> Reply:
    """Show a worker, by id or name."""
    return Reply(200, workers.get(request.actor, worker))


def update(workers: Workers, request: Request, worker: str) -> Reply:
    """Grant a worker other labels than those that it has."""
    return Reply(200, workers.grant_labels(request.actor, worker, request.body(UpdateWorkerRequest)))


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
    """List the provider's workers, which serve every org that lets them; with `all` the revoked ones too."""
    return list_reply(request, partial(workers.list_shared, with_revoked=_wants_all(request)))


def show_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Show one of the provider's workers, by id or name."""
    return Reply(200, workers.get_shared(request.actor, worker))


def update_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Grant one of the provider's workers other labels than those that it has."""
    return Reply(200, workers.grant_labels(request.actor, worker, request.body(UpdateWorkerRequest), is_shared=True))


def drain_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Let one of the provider's workers finish what it has and take no more."""
    return Reply(200, workers.drain(request.actor, worker, is_shared=True))


def undrain_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Let a draining worker of the provider take work again."""
    return Reply(200, workers.undrain(request.actor, worker, is_shared=True))


def revoke_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Shut one of the provider's workers out for good, at once."""
    return Reply(200, workers.revoke(request.actor, worker, is_shared=True))


def _wants_all(request: Request) -> bool:
    return request.query_bool("all")
