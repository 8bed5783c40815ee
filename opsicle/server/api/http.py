"""What a route is, what it is given and what it gives back.

Every noun has a file in this package with a `routes(service)` that returns a list of these:

    def routes(templates: Templates) -> list[Route]:
        return [Route("GET", "/api/v1/templates/<name>", partial(show, templates), may=Action.TEMPLATES_VIEW,
                      reply=TemplateVersion)]

    def show(templates: Templates, request: Request, name: str) -> Reply:
        \"\"\"Show a template in its newest version.\"\"\"
        return Reply(200, templates.get(request.actor, name))

The table is all that the server, the OpenAPI document and the permission test know about the routes. A handler
decodes, makes one service call and encodes; the HTTP status of an error is decided in `wire/problems.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

from opsicle.domain.access import Action
from opsicle.server.api.request import Request
from opsicle.wire.pages import Page

__all__ = ["Access", "Page", "Reply", "Request", "Route"]

T = TypeVar("T")

MAX_BODY_BYTES = 2 * 1024 * 1024
"""The longest request body that a route takes unless it says otherwise."""

MAX_DOCUMENT_BODY_BYTES = 4 * 1024 * 1024
"""A document has 1 MiB at most. JSON makes up to three bytes of one of them: `é`, two bytes, may come as `\\u00e9`."""


class Access(StrEnum):
    """Who may call a route that no `Action` guards."""

    PUBLIC = "public"
    WORKER = "worker"


@dataclass(frozen=True)
class Route:
    """One method of one path: what it takes, what it answers, who may call it.

    `path` has `<name>` where a part of it is handed to the handler as a keyword. `may` is asked before the handler
    runs, and the service asks again. `query` names the parameters that may stand behind the `?` with their types;
    any other is refused. `body` and `reply` are what the OpenAPI document says of both; `content_type` tells it
    that the answer is no JSON. The handler's docstring describes the route.
    """

    method: str
    path: str
    handler: Callable[..., Reply]
    may: Action | Access
    body: Any = None
    reply: Any = None
    status: int = 200
    query: Mapping[str, type] = field(default_factory=dict)
    content_type: str = ""
    max_body: int = MAX_BODY_BYTES

    def with_document(self) -> Route:
        """The same route, for a body that holds a document."""
        return replace(self, max_body=MAX_DOCUMENT_BODY_BYTES)

    @functools.cached_property
    def name(self) -> str:
        """`automations.show`, after the handler: OpenAPI's operationId, and the label of the metrics."""
        return f"{self._function.__module__.rpartition('.')[2]}.{self._function.__name__}"

    @property
    def description(self) -> str:
        """The handler's docstring."""
        return (self._function.__doc__ or "").strip()

    @property
    def _function(self) -> Callable[..., Reply]:
        return self.handler.func if isinstance(self.handler, functools.partial) else self.handler


class Reply(NamedTuple):
    """What goes back: a message, or bytes as they are, or a stream of them.

    `body` becomes JSON, or MessagePack on the workers' listener. `stream` is closed when the peer is gone.
    `content_type` goes with `raw` and `stream`.
    """

    status: int
    body: object = None
    headers: tuple[tuple[str, str], ...] = ()
    raw: bytes | None = None
    stream: Iterable[bytes] | None = None
    content_type: str = "application/octet-stream"
