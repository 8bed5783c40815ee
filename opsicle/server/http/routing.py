"""What a route is, what it is given and what it gives back.

Every noun has a `routes.py` in its feature's folder, or a file in `routes/`, whose
`routes(service)` returns these:

    def routes(templates: Templates) -> list[Route]:
        return [
            serve(endpoints.SHOW, templates.get, Action.TEMPLATES_VIEW),
            Route(endpoints.DIFF, partial(diff, templates), Action.TEMPLATES_VIEW),
        ]

What is taken and answered says the endpoint, in `opsicle/wire/endpoints`, where clients read the
same. `serve` (in `serving.py`) calls a service's method with just that; what needs more, such as a
part of the query, has a handler:

    def diff(templates: Templates, request: Request, name: str) -> Reply:
        \"\"\"Show how two versions of a template differ.\"\"\"
        ...

The table is all that the server, the OpenAPI document and the permission test know about the
routes. A handler decodes, makes one service call and encodes; the HTTP status of an error is
decided in `wire/problems.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import msgspec

from opsicle.domain.access import Action
from opsicle.server.http.request import Request
from opsicle.wire.endpoint import Endpoint
from opsicle.wire.pages import Page

__all__ = ["Access", "Page", "Reply", "Request", "Route"]

T = TypeVar("T")


class Access(StrEnum):
    """Who may call a route that no `Action` guards."""

    PUBLIC = "public"
    WORKER = "worker"


class Route(msgspec.Struct, frozen=True, dict=True):
    """An endpoint, who may call it, and what answers.

    `may` is asked before the handler runs, and the service asks again. What varies in the
    endpoint's path is handed to the handler as keywords. The handler's docstring describes the
    route.
    """

    endpoint: Endpoint[Any]
    handler: Callable[..., Reply]
    may: Action | Access

    @functools.cached_property
    def name(self) -> str:
        """The name after the handler, such as `automations.show`.

        It is OpenAPI's operationId, and the label of the metrics.
        """
        return f"{_noun(self._function.__module__)}.{self._function.__name__}"

    @property
    def description(self) -> str:
        """The handler's docstring."""
        return (self._function.__doc__ or "").strip()

    @property
    def _function(self) -> Callable[..., Reply]:
        return self.handler.func if isinstance(self.handler, functools.partial) else self.handler


class Reply(NamedTuple):
    """What goes back: a message, or bytes as they are, or a stream of them.

    `body` becomes JSON, or MessagePack on the workers' listener. `stream` is closed when the peer
    is gone. `content_type` goes with `raw` and `stream`.
    """

    status: int
    body: object = None
    headers: tuple[tuple[str, str], ...] = ()
    raw: bytes | None = None
    stream: Iterable[bytes] | None = None
    content_type: str = "application/octet-stream"


def _noun(module: str) -> str:
    """Return `automations` of `automations.routes`, `users` of `members.routes.users`."""
    *_, room, file = module.split(".")
    return room if file == "routes" else file
