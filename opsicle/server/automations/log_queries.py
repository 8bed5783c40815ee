"""What a request asks for of a log: which lines."""

from __future__ import annotations

from opsicle.domain.errors import InvalidInput, Problem
from opsicle.server.dispatch.log_pages import LineRange
from opsicle.server.http.request import Request
from opsicle.wire.endpoints.logs import LINES_QUERY

STREAMS = {"": 0, "stdout": 1, "stderr": 2}

_MOST = 2**53


def asks_for_lines(request: Request) -> bool:
    """Return whether a request asks for a part of a log by line or time."""
    return any(request.query(name) for name in LINES_QUERY)


def line_range(request: Request) -> LineRange:
    """Return which lines a request asks for.

    Raises InvalidInput for what contradicts itself.
    """
    tail = request.query_int("tail", -1, high=_MOST) if request.query("tail") else None
    if tail is not None and (request.query("from_line") or request.query("lines")):
        raise InvalidInput(
            "`tail` counts from the end, `from_line` and `lines` from the beginning",
            hint="Ask for one or the other.",
            problems=(Problem("query.tail", "does not go with `from_line` and `lines`"),),
        )
    return LineRange(
        first=request.query_int("from_line", 1, low=1),
        first_byte=request.query_int("from_byte", 0, high=_MOST),
        count=request.query_int("lines", _MOST, low=1),
        tail=tail,
        before=request.query_int("before_line", _MOST, low=1, high=_MOST),
        stream=stream(request),
        since=request.query_time("from"),
        until=request.query_time("to"),
    )


def stream(request: Request) -> int:
    """Return the stream that a request asks for, 0 for both. Raises InvalidInput."""
    name = request.query("stream")
    if name not in STREAMS:
        raise InvalidInput(
            f"there is no stream {name[:20]!r}",
            hint="`stdout` or `stderr`; without one, both.",
            problems=(Problem("query.stream", "must be stdout or stderr"),),
        )
    return STREAMS[name]
