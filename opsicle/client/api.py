"""One server, called by its endpoints: whole, as a stream, or a list page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from types import NoneType
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import urlencode

import msgspec

if TYPE_CHECKING:  # which takes long to import, and every file of commands names an Api
    from opsicle.client.connection import ApiConnection, Stream
from opsicle.domain.errors import Internal, NotFound, UsageError
from opsicle.wire.endpoint import Endpoint
from opsicle.wire.pages import Page

T = TypeVar("T")
Query = Mapping[str, str | int | None]
"""What stands behind the `?`; what is empty, None or False is left out."""

_NOTHING: Query = {}


class Api:
    """One server, as one caller sees it. Each call raises what `ApiConnection` says.

    `path_parts` are the names and ids that vary in the endpoint's path, in its order.
    """

    def __init__(self, connection: ApiConnection) -> None:
        self.connection = connection

    def call(
        self,
        endpoint: Endpoint[T],
        *path_parts: str,
        body: msgspec.Struct | None = None,
        query: Query = _NOTHING,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Ask once, and return the whole answer: bytes where the endpoint says so, else decoded.

        `body` is of the type that the endpoint takes.
        """
        assert isinstance(body, endpoint.body or NoneType)
        path = _path(endpoint, path_parts, query)
        content = None if body is None else msgspec.json.encode(body)
        reply = self.connection.send(endpoint.method, path, body=content, headers=headers)
        return _decoded(reply.body, endpoint)

    def send_file(
        self, endpoint: Endpoint[T], pieces: Iterator[bytes], size: int, query: Query = _NOTHING
    ) -> T:
        """Send a file of `size` bytes in pieces, and return the whole answer."""
        reply = self.connection.send_file(_path(endpoint, (), query), pieces, size)
        return _decoded(reply.body, endpoint)

    def stream(
        self,
        endpoint: Endpoint[bytes],
        *path_parts: str,
        query: Query = _NOTHING,
        headers: Mapping[str, str] | None = None,
    ) -> AbstractContextManager[Stream]:
        """Ask once, and hand over the answer's bytes as they come."""
        return self.connection.stream(_path(endpoint, path_parts, query), headers=headers)

    def pages(
        self, endpoint: Endpoint[Page[T]], *path_parts: str, query: Query = _NOTHING
    ) -> Iterator[T]:
        """Yield the items of all pages, each page asked for only when it is needed."""
        cursor = ""
        while True:
            page = self.call(endpoint, *path_parts, query={**query, "cursor": cursor})
            yield from page.items
            if page.next_cursor in {"", cursor}:
                return
            cursor = page.next_cursor


def _path(endpoint: Endpoint[Any], path_parts: tuple[str, ...], query: Query) -> str:
    """Return the path and query to ask for.

    Raises UsageError for an empty name or id, and NotFound for what every program on the way takes
    for a step in the path: with either the call would reach something else than was meant.
    """
    if "" in path_parts:
        hint = "Is the variable set that it was to come from?"
        raise UsageError("the name or id is empty", hint=hint)
    if step := {".", ".."}.intersection(path_parts):
        raise NotFound(f"there is nothing called {step.pop()}")
    path = endpoint.path_of(*path_parts)
    given = {
        name: "true" if value is True else value
        for name, value in query.items()
        if value not in {"", None} and value is not False
    }
    return f"{path}?{urlencode(given)}" if given else path


def _decoded(content: bytes, endpoint: Endpoint[T]) -> T:
    if endpoint.reply in {bytes, NoneType}:
        return cast("T", content if endpoint.reply is bytes else None)
    try:
        return msgspec.json.decode(content, type=endpoint.reply)
    except msgspec.MsgspecError as error:
        raise Internal(
            f"the server's answer is not what was expected: {error}",
            hint="Is this an Opsicle server, and of a version near to this program's?",
        ) from error
