"""What a peer sends: its bytes, then heads and bodies, each bounded in size and in time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from opsicle.domain.errors import InvalidInput, TooLarge
from opsicle.server.http.wire import head
from opsicle.server.http.wire.head import Head, HeadParser

IDLE_SECONDS = 75
"""How long a connection may stay open between requests: longer than a poll's hold, shorter than
most firewalls'."""

HEAD_SECONDS = 10
"""From the first byte of a request's head to its last."""

BODY_SECONDS = 30
BODY_BYTES_PER_SECOND = 16 * 1024
"""A body may take 30 s, and longer only at a pace that any line can keep."""

_RECEIVE_BYTES = 64 * 1024
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
_MAX_CHUNK_LINE = 10  # eight digits and CRLF


class ReadableSocket(Protocol):
    """As much of a socket as is needed here."""

    def recv(self, size: int, /) -> bytes:
        """Wait for some bytes; none means that the peer is gone."""

    def settimeout(self, seconds: float | None, /) -> None:
        """Bound each wait of `recv`, which raises TimeoutError after that."""

    def wait_readable(self, seconds: float, /) -> bool:
        """Wait until `recv` has something to do; return False if it has not after that time."""


class Incoming:
    """A connection's bytes in the order in which they came.

    Waits raise TimeoutError once the deadline has passed.
    """

    def __init__(self, sock: ReadableSocket) -> None:
        self._sock = sock
        self._buffer = b""
        self._deadline = 0.0
        self._heads = HeadParser()

    def allow(self, seconds: float) -> None:
        """Let all waits from now on end within so many seconds together."""
        self._deadline = time.monotonic() + seconds

    def wait_for_request(self) -> bool:
        """Wait for the next request's first byte; return False if the peer is gone or silent."""
        if self._buffer:
            return True
        if not self._sock.wait_readable(IDLE_SECONDS):
            return False
        self.allow(HEAD_SECONDS)
        try:
            return self._receive()
        except TimeoutError:
            return False

    def head(self) -> Head:
        """Read a request's head.

        Raises InvalidInput, TooLarge, TimeoutError, or ConnectionError if the peer goes.
        """
        self.allow(HEAD_SECONDS)
        while (end := self._buffer.find(head.END)) < 0:
            head.check_so_far(self._buffer)
            if len(self._buffer) > head.MAX_HEAD_BYTES:
                break
            self._receive_or_fail()
        if not 0 <= end <= head.MAX_HEAD_BYTES:
            raise TooLarge("the request's head is too long")
        raw, self._buffer = self._buffer[:end], self._buffer[end + len(head.END) :]
        return self._heads.parse(raw)

    def some(self, limit: int) -> bytes:
        """Return from 1 to `limit` bytes.

        Raises ConnectionError if the peer goes.
        """
        if not self._buffer:
            self._receive_or_fail()
        taken, self._buffer = self._buffer[:limit], self._buffer[limit:]
        return taken

    def line(self, limit: int) -> bytes:
        """Return a line without its CRLF.

        Raises InvalidInput if it is longer than `limit` bytes or ends otherwise.
        """
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) >= limit:
                raise InvalidInput("the body's chunks are malformed")
            self._receive_or_fail()
        taken, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return taken

    def _receive(self) -> bool:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        received = self._sock.recv(_RECEIVE_BYTES)
        self._buffer += received
        return bool(received)

    def _receive_or_fail(self) -> None:
        if not self._receive():
            raise ConnectionError("the peer has gone")


class Body:
    """A request's body as `wsgi.input`: read when the handler asks for it, and not before.

    `is_done` says that nothing of it is left on the wire, so that another request can follow.
    """

    def __init__(
        self, incoming: Incoming, request: Head, send_continue: Callable[[], None]
    ) -> None:
        self._incoming = incoming
        self._is_chunked = request.length is None
        self._left = request.length or 0
        self._before_reading = send_continue if request.expects_continue else None
        self._is_broken = False
        self.is_done = request.length == 0

    def read(self, limit: int) -> bytes:
        """Return the body's next bytes, at most `limit`; less only at its end.

        Raises InvalidInput if it is malformed, breaks off or comes too slowly.
        """
        if self.is_done:
            return b""
        if self._before_reading:
            self._before_reading()
            self._before_reading = None

        self._incoming.allow(BODY_SECONDS + limit / BODY_BYTES_PER_SECOND)
        self._is_broken = True  # unless all goes well
        try:
            content = self._read(limit)
        except TimeoutError as error:
            raise InvalidInput("the body did not arrive in time") from error
        except OSError as error:
            raise InvalidInput("the connection ended in the middle of the body") from error

        self._is_broken = False
        return content

    def discard(self, limit: int) -> bool:
        """Take in what the handler left, if that is not more than `limit` bytes.

        Whether nothing is left then.
        """
        is_small = not self._is_chunked and self._left <= limit
        if not self.is_done and is_small and not (self._is_broken or self._before_reading):
            with suppress(InvalidInput):
                self.read(limit)
        return self.is_done

    def _read(self, limit: int) -> bytes:
        parts = []
        while limit and not self.is_done:
            if self._left == 0:
                self._begin_chunk()
                continue
            part = self._incoming.some(min(limit, self._left))
            parts.append(part)
            limit -= len(part)
            self._left -= len(part)
            if self._left == 0:
                self._end_part()
        return b"".join(parts)

    def _begin_chunk(self) -> None:
        size = self._incoming.line(_MAX_CHUNK_LINE)
        if not _CHUNK_SIZE.fullmatch(size):
            raise InvalidInput("the body's chunks are malformed")
        self._left = int(size, 16)
        if self._left == 0:
            self._expect_line_end()
            self.is_done = True

    def _end_part(self) -> None:
        if self._is_chunked:
            self._expect_line_end()
        else:
            self.is_done = True

    def _expect_line_end(self) -> None:
        if self._incoming.line(2):
            raise InvalidInput("the body's chunks are malformed")
