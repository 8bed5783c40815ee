"""The fleet of the org, and the join tokens with which it grows."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.workers.join_tokens import JoinTokens
from opsicle.server.workers.service import Workers
from opsicle.wire.endpoints import workers as endpoints


def routes(workers: Workers, tokens: JoinTokens) -> list[Route]:
    """Return the routes of workers, for people. `<worker>` is an id or a name."""
    view, manage = Action.WORKERS_VIEW, Action.WORKERS_MANAGE
    return [
        serve(endpoints.CREATE_JOIN_TOKEN, tokens.create, manage),
        serve(endpoints.LIST_JOIN_TOKENS, tokens.list_open, manage),
        serve(endpoints.REVOKE_JOIN_TOKEN, tokens.revoke, manage),
        Route(endpoints.LIST_WORKERS, partial(list_workers, workers), view),
        serve(endpoints.SHOW, workers.get, view),
        serve(endpoints.UPDATE, workers.grant_labels, manage),
        serve(endpoints.DRAIN, workers.drain, manage),
        serve(endpoints.UNDRAIN, workers.undrain, manage),
        serve(endpoints.REVOKE, workers.revoke, manage),
    ]


def operator_routes(workers: Workers, tokens: JoinTokens) -> list[Route]:
    """Return the routes of shared workers, for those who run the server."""
    may = Action.SERVER_MANAGE
    return [
        Route(endpoints.LIST_SHARED, partial(list_shared, workers), may),
        serve(endpoints.SHOW_SHARED, workers.get_shared, may),
        serve(endpoints.UPDATE_SHARED, partial(workers.grant_labels, is_shared=True), may),
        serve(endpoints.DRAIN_SHARED, partial(workers.drain, is_shared=True), may),
        serve(endpoints.UNDRAIN_SHARED, partial(workers.undrain, is_shared=True), may),
        serve(endpoints.REVOKE_SHARED, partial(workers.revoke, is_shared=True), may),
        serve(endpoints.LIST_SHARED_JOIN_TOKENS, partial(tokens.list_open, is_shared=True), may),
        serve(endpoints.REVOKE_SHARED_JOIN_TOKEN, partial(tokens.revoke, is_shared=True), may),
    ]


def list_workers(workers: Workers, request: Request) -> Reply:
    """List the org's workers in the order of their enrolment; with `all` the revoked ones too."""
    return list_reply(request, partial(workers.list_workers, with_revoked=_wants_all(request)))


def list_shared(workers: Workers, request: Request) -> Reply:
    """List shared workers, which serve every org that lets them.

    With `all` the revoked ones too.
    """
    return list_reply(request, partial(workers.list_shared, with_revoked=_wants_all(request)))


def _wants_all(request: Request) -> bool:
    return request.query_bool("all")
