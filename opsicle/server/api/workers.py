"""The fleet of the org, and the join tokens with which it grows."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.api.http import Page, Reply, Request, Route
from opsicle.server.api.lists import LISTING, list_reply
from opsicle.server.services.enrolments import Enrolments
from opsicle.server.services.workers import Workers
from opsicle.wire.user_api import CreateJoinTokenRequest, NewJoinToken, Worker


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
        Route("GET", every, partial(list_workers, workers), view, query=LISTING, reply=Page[Worker]),
        Route("GET", one, partial(show, workers), view, reply=Worker),
        Route("POST", f"{one}/drain", partial(drain, workers), manage, reply=Worker),
        Route("POST", f"{one}/undrain", partial(undrain, workers), manage, reply=Worker),
        Route("POST", f"{one}/revoke", partial(revoke, workers), manage, reply=Worker),
    ]


def provider_routes(workers: Workers) -> list[Route]:
    """The routes of shared workers, for those who run the server."""
    may, every = Action.PROVIDER_MANAGE, "/api/v1/provider/workers"
    one = f"{every}/<worker>"
    return [
        Route("GET", every, partial(list_shared, workers), may, query=LISTING, reply=Page[Worker]),
        Route("GET", one, partial(show_shared, workers), may, reply=Worker),
        Route("POST", f"{one}/drain", partial(drain_shared, workers), may, reply=Worker),
        Route("POST", f"{one}/undrain", partial(undrain_shared, workers), may, reply=Worker),
        Route("POST", f"{one}/revoke", partial(revoke_shared, workers), may, reply=Worker),
    ]


def create_token(enrolments: Enrolments, request: Request) -> Reply:
    """Make a one-time join token; the answer is the only place where it is shown."""
    return Reply(201, enrolments.create_join_token(request.actor, request.body(CreateJoinTokenRequest)))


def list_workers(workers: Workers, request: Request) -> Reply:
    """List the org's workers in the order in which they enrolled."""
    return list_reply(request, workers.list_workers)


def show(workers: Workers, request: Request, worker: str) -> Reply:
    """Show a worker, by id or name."""
    return Reply(200, workers.get(request.actor, worker))


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
    """List the provider's workers, which serve every org that lets them."""
    return list_reply(request, workers.list_shared)


def show_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Show one of the provider's workers, by id or name."""
    return Reply(200, workers.get_shared(request.actor, worker))


def drain_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Let one of the provider's workers finish what it has and take no more."""
    return Reply(200, workers.drain(request.actor, worker, is_shared=True))


def undrain_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Let a draining worker of the provider take work again."""
    return Reply(200, workers.undrain(request.actor, worker, is_shared=True))


def revoke_shared(workers: Workers, request: Request, worker: str) -> Reply:
    """Shut one of the provider's workers out for good, at once."""
    return Reply(200, workers.revoke(request.actor, worker, is_shared=True))
