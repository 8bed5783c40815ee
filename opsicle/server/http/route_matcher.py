"""Finds the route of a request by its path, segment by segment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from opsicle.server.http.routing import Route


class Match(NamedTuple):
    """A route, and what its path's names stand for in a request."""

    route: Route
    arguments: dict[str, str]


class WrongMethod(NamedTuple):
    """The path is right, and takes these methods only."""

    allowed: str


class _Node:
    """What may follow after the same segments.

    `routes` end here, by method, each with the names in its path.
    """

    __slots__ = ("by_text", "named", "routes")

    def __init__(self) -> None:
        self.by_text: dict[str, _Node] = {}
        self.named: _Node | None = None
        self.routes: dict[str, tuple[Route, tuple[str, ...]]] = {}


class RouteMatcher:
    """The routes of a listener.

    Where a segment fits both a text and a name, the text comes first.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node, names = self._root, []
        for segment in route.endpoint.path.split("/"):
            if segment.startswith("<"):
                names.append(segment[1:-1])
                node.named = node.named or _Node()
                node = node.named
            else:
                following = node.by_text.get(segment)
                if following is None:
                    following = node.by_text[segment] = _Node()
                node = following
        node.routes[route.endpoint.method] = route, tuple(names)

    def find(self, method: str, path: str) -> Match | WrongMethod | None:
        """Return the route for a request; GET's also for HEAD. None if no route has this path."""
        allowed: set[str] = set()
        for node, values in _ends(self._root, path.split("/")):
            found = node.routes.get(method) or (
                node.routes.get("GET") if method == "HEAD" else None
            )
            if found:
                route, names = found
                return Match(route, dict(zip(names, values, strict=True)))
            allowed |= node.routes.keys()
        return WrongMethod(",".join(sorted(allowed))) if allowed else None


def _ends(root: _Node, segments: Sequence[str]) -> Iterator[tuple[_Node, tuple[str, ...]]]:
    """Yield where paths of these segments end; a name matches anything but nothing."""
    length = len(segments)
    left: list[tuple[_Node, int, tuple[str, ...]]] = [(root, 0, ())]
    while left:
        node, depth, values = left.pop()
        if depth == length:
            yield node, values
            continue
        segment = segments[depth]
        if node.named and segment:
            left.append((node.named, depth + 1, (*values, segment)))
        if following := node.by_text.get(segment):  # looked at first
            left.append((following, depth + 1, values))
