"""Routes that need no handler of their own: a service's method answers, as the endpoint says."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.wire.endpoint import Endpoint
from opsicle.wire.endpoints import names

T = TypeVar("T")


def serve(endpoint: Endpoint[T], method: Callable[..., T], may: Action | Access) -> Route:
    """Return the route that answers with what a service's method returns.

    The method is called with who asks, with what varies in the path in its order, with the body
    where the endpoint takes one, and for a list with cursor and limit. That its signature is so is
    tested for each route.
    """
    return ServedRoute(endpoint, functools.partial(_answer, endpoint, method, may), may)


class ServedRoute(Route):
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
        given.append(request.body(endpoint.body))
    if "cursor" in endpoint.query:
        return list_reply(request, lambda _, cursor, limit: method(*given, cursor, limit))
    return Reply(endpoint.status, method(*given))
