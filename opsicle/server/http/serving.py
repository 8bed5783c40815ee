"""Routes that need no handler of their own: a service's method answers, as the endpoint says."""

from __future__ import annotations

import functools
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.wire.document_api import DocumentPushed, PushRequest, SourceRequest
from opsicle.wire.endpoint import Endpoint
from opsicle.wire.endpoints import names

T = TypeVar("T")

_DOCUMENTS = (SourceRequest, PushRequest)


def serve(endpoint: Endpoint[T], method: Callable[..., T], may: Action | Access) -> Route:
    """Return the route that answers with what a service's method returns.

    The method is called with who asks, with what varies in the path in its order, with the body
    where the endpoint takes one, and for a list with cursor and limit; of a document only its
    source, and of one that is pushed its message too. That its signature is so is tested for each
    route. A push that changes nothing is answered with 200 in the place of 201.
    """
    return ServedRoute(endpoint, functools.partial(_answer, endpoint, method, may), may)


class ServedRoute(Route, frozen=True):
    """A route of which the endpoint says everything."""

    @functools.cached_property
    def name(self) -> str:
        """`automations.show`, after the endpoint."""
        return names()[id(self.endpoint)]

    @property
    def description(self) -> str:
        """The endpoint's."""
        return self.endpoint.description


def _answer(
    endpoint: Endpoint[Any],
    method: Callable[..., Any],
    may: Action | Access,
    request: Request,
    **in_path: str,
) -> Reply:
    who = request.worker if may is Access.WORKER else request.actor
    given: list[Any] = [who, *in_path.values()]
    if endpoint.body is not None:
        body = request.body(endpoint.body)
        given.append(body.source if endpoint.body in _DOCUMENTS else body)
        if endpoint.body is PushRequest:
            given.append(body.message)
    if "cursor" in endpoint.query:
        return list_reply(request, lambda _, cursor, limit: method(*given, cursor, limit))
    answer = method(*given)
    is_unchanged = isinstance(answer, DocumentPushed) and not answer.is_new
    return Reply(HTTPStatus.OK if is_unchanged else endpoint.status, answer)
