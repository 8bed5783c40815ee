"""A part of a file, as RFC 9110, section 14, lets one ask for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from opsicle.server.http.routing import Reply, Request

_RANGE = re.compile(r"bytes=([0-9]{0,16})-([0-9]{0,16})")

Read = Callable[[int, int], Iterator[bytes]]
"""Returns the bytes from a place to before another one."""


def file_reply(
    request: Request, etag: str, size: int, read: Read, headers: tuple[tuple[str, str], ...]
) -> Reply:
    """Return the reply with a file, or with the one part of it that is asked for.

    Several parts at once, and what is no range, are answered with the whole, as one may.
    """
    common = (*headers, ("Accept-Ranges", "bytes"), ("ETag", etag))
    wanted = _RANGE.fullmatch(request.header("Range"))
    if wanted is None or wanted[0] == "bytes=-" or request.header("If-Range", etag) != etag:
        return Reply(200, stream=read(0, size), headers=(*common, _length(size)))

    start, stop = _bounds(wanted[1], wanted[2], size)
    if not start < stop:
        return Reply(416, raw=b"", headers=(*common, ("Content-Range", f"bytes */{size}")))
    part = ("Content-Range", f"bytes {start}-{stop - 1}/{size}")
    return Reply(206, stream=read(start, stop), headers=(*common, part, _length(stop - start)))


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


def _length(size: int) -> tuple[str, str]:
    return ("Content-Length", str(size))
