"""One request and its answer over a kept connection.

As much of HTTP/1.1 as a worker and its server need.

The standard library's client runs every answer's head through its parser for e-mail and sends head
and body apart, which costs more than all else in a call. What is read here is strict: anything but
one plain answer of a known length is an error, after which the connection is used no more.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable

MAX_HEAD_BYTES = 16 * 1024
_READ_BYTES = 64 * 1024

_END = b"\r\n\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([2-9][0-9]{2})(?: [\t -~\x80-\xff]*)?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t -~\x80-\xff]*)")
_LENGTH = re.compile(rb"[0-9]{1,15}")


class BadAnswer(Exception):
    """What came is no answer that this reader understands."""


class PeerClosed(ConnectionResetError):
    """The connection ended before any answer."""


class TooLong(BadAnswer):
    """An answer is longer than its reader takes."""


def exchange(
    sock: socket.socket,
    host: str,
    path: str,
    body: bytes,
    besides: Callable[[], None],
    most_bytes: int,
) -> tuple[int, bytes, bool]:
    """Post `body` (MessagePack), call `besides`, read the whole answer.

    Return its status, its content, and whether the connection may be used again.

    Raises OSError if the connection fails, HungUp if it ends before any answer, TooLong, and
    BadAnswer for one that is none.
    """
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/msgpack\r\n"
        f"User-Agent: opsicle-worker\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    sock.sendall(head.encode("ascii") + body)
    besides()
    status, length, is_kept, content = _read_head(sock)
    if length > most_bytes:
        raise TooLong("the answer is too long")
    return status, _read_rest(sock, content, length), is_kept


def _read_head(sock: socket.socket) -> tuple[int, int, bool, bytes]:
    """Return status, length, whether the connection goes on, and what came of the content."""
    received = b""
    while _END not in received:
        if len(received) > MAX_HEAD_BYTES:
            raise BadAnswer("the head of the answer is too long")
        more = sock.recv(_READ_BYTES)
        if not more:
            raise (
                BadAnswer("the answer breaks off")
                if received
                else PeerClosed("it closed the connection")
            )
        received += more

    head, _, content = received.partition(_END)
    return *_parsed(head.split(b"\r\n")), content


def _parsed(lines: list[bytes]) -> tuple[int, int, bool]:
    start = _STATUS_LINE.fullmatch(lines[0])
    found = [_FIELD.fullmatch(line) for line in lines[1:]]
    if start is None or None in found:
        raise BadAnswer("the head of the answer is malformed")

    fields = [(field[1].lower(), field[2].strip().lower()) for field in found if field]
    lengths = [value for name, value in fields if name == b"content-length"]
    has_coding = any(name == b"transfer-encoding" for name, _ in fields)
    if len(lengths) != 1 or has_coding or not _LENGTH.fullmatch(lengths[0]):
        raise BadAnswer("the answer does not say how long it is")

    is_kept = start[1] == b"1" and not any(
        name == b"connection" and value != b"keep-alive" for name, value in fields
    )
    return int(start[2]), int(lengths[0]), is_kept


def _read_rest(sock: socket.socket, content: bytes, length: int) -> bytes:
    parts, missing = [content], length - len(content)
    while missing > 0:
        more = sock.recv(min(missing, _READ_BYTES))
        if not more:
            raise BadAnswer("the answer breaks off")
        parts.append(more)
        missing -= len(more)
    if missing < 0:
        raise BadAnswer("more was answered than was asked")
    return b"".join(parts)
