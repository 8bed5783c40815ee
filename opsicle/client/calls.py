"""The shapes of a call: ask, send, tell, and read a list page by page. Replies are checked by type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from opsicle.client.connection import ApiConnection
from opsicle.domain.errors import Internal, NotFound, UsageError

T = TypeVar("T")


class _Page(msgspec.Struct, Generic[T]):
    items: list[T]
    next_cursor: str = ""


class Calls:
    """One server, as one caller sees it."""

    def __init__(self, connection: ApiConnection) -> None:
        self.connection = connection

    def _get(self, path: str, of: type[T]) -> T:
        return _decoded(self.connection.send("GET", path).body, of)

    def _post(self, path: str, request: msgspec.Struct | None, of: type[T]) -> T:
        return self._send("POST", path, request, of)

    def _tell(self, method: str, path: str, request: msgspec.Struct | None = None) -> None:
        """Ask for a change that is answered with nothing."""
        self.connection.send(method, path, body=None if request is None else msgspec.json.encode(request))

    def _send(
        self,
        method: str,
        path: str,
        request: msgspec.Struct | None,
        of: type[T],
        headers: dict[str, str] | None = None,
    ) -> T:
        body = None if request is None else msgspec.json.encode(request)
        return _decoded(self.connection.send(method, path, body=body, headers=headers).body, of)

    def _pages(self, path: str, of: type[T], query: str = "") -> Iterator[T]:
        """Yield the items of all pages, each page asked for only when it is needed."""
        cursor = ""
        while True:
            parts = "&".join(part for part in (query, urlencode({"cursor": cursor}) if cursor else "") if part)
            page = self._get(f"{path}?{parts}" if parts else path, _Page[of])  # type: ignore[valid-type]
            yield from page.items
            if not page.next_cursor or page.next_cursor == cursor:
                return
            cursor = page.next_cursor


def _decoded(body: bytes, of: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=of)
    except msgspec.MsgspecError as error:
        raise Internal(
            f"the server's answer is not what was expected: {error}",
            hint="Is this an Opsicle server, and of a version near to this program's?",
        ) from error


def part(name: str) -> str:
    """Return a name or id as one segment of a path.

    Raises UsageError for an empty one, and NotFound for what every program on the way takes for a step in the path:
    with either the call would reach something else than was meant.
    """
    if not name:
        raise UsageError("the name or id is empty", hint="Is the variable set that it was to come from?")
    if name in {".", ".."}:
        raise NotFound(f"there is nothing called {name}")
    return quote(name, safe="")
