"""One HTTP/1.1 answer: the writing half of WSGI (PEP 3333)."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable
from email.utils import formatdate
from typing import Protocol

_ONE_SEND_BYTES = 64 * 1024
_BODILESS = ("204", "304")
_END_OF_CHUNKS = b"0\r\n\r\n"


class LastPart(bytes):
    """A part of a body behind which nothing comes, so that it can say so itself."""

    __slots__ = ()


class WritableSocket(Protocol):
    """As much of a socket as is needed here."""

    def sendall(self, data: bytes, /) -> None:
        """Send all of it."""


class ResponseWriter:
    """Collects status and headers, then sends them with the first bytes of the body.

    So that is one packet instead of two.
    """

    def __init__(self, sock: WritableSocket, *, minor_version: int, keeps_alive: bool) -> None:
        self.keeps_alive = keeps_alive
        self._sock = sock
        self._minor_version = minor_version
        self._head = b""
        self._is_chunked = False

    def start(self, status: str, headers: list[tuple[str, str]]) -> None:
        """Take status and headers, as WSGI's `start_response`.

        Without `write` and `exc_info`, which our applications do not use.
        """
        has_length = "Content-Length" in dict(headers) or status.startswith(_BODILESS)
        self._is_chunked = not has_length and self._minor_version == 1
        self.keeps_alive = self.keeps_alive and (has_length or self._is_chunked)
        every_header = [*headers, ("Date", _http_date())]
        if self._is_chunked:
            every_header.append(("Transfer-Encoding", "chunked"))
        if not self.keeps_alive:
            every_header.append(("Connection", "close"))
        elif self._minor_version == 0:
            every_header.append(("Connection", "keep-alive"))

        lines = [
            f"HTTP/1.1 {status}",
            *[f"{name}: {_on_one_line(value)}" for name, value in every_header],
            "",
            "",
        ]
        self._head = "\r\n".join(lines).encode("latin-1", "replace")

    def send(self, parts: Iterable[bytes]) -> None:
        """Send the body, whose parts go out as they come. Raises OSError when the peer has gone."""
        has_ended = False
        for part in parts:
            if part and self._is_chunked:
                has_ended = isinstance(part, LastPart)
                chunk = b"%x\r\n%b\r\n" % (len(part), part)
                self._send(chunk + _END_OF_CHUNKS if has_ended else chunk)
            elif part:
                self._send(part)
        if self._is_chunked and not has_ended:
            self._send(_END_OF_CHUNKS)
        elif self._head:
            self._send(b"")

    def _send(self, data: bytes) -> None:
        head, self._head = self._head, b""
        if head and len(data) > _ONE_SEND_BYTES:
            self._sock.sendall(head)
            self._sock.sendall(data)
        else:
            self._sock.sendall(head + data)


def _on_one_line(value: str) -> str:
    """Return a header's value that cannot become a header of its own."""
    return value.replace("\r", " ").replace("\n", " ") if "\n" in value or "\r" in value else value


def _http_date() -> str:
    """Return the time as RFC 9110 wants it."""
    return _format_date(int(time.time()))


@functools.lru_cache(maxsize=2)
def _format_date(second: int) -> str:
    return formatdate(second, usegmt=True)
