"""The client's side of a WebSocket (RFC 6455), text messages only, over a connection that `egress` has judged.

Nothing that the other side sends is taken at more than its size, and a side that falls silent is noticed.
"""

from __future__ import annotations

import base64
import hashlib
import http
import io
import os
import secrets
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opsicle.server.approver.egress import CONNECT_SECONDS, EXCHANGE_SECONDS, Reach, connect
from opsicle.server.approver.messages import Undelivered

if TYPE_CHECKING:
    from email.message import Message

MAX_MESSAGE_BYTES = 1024 * 1024
_MAX_HEAD_BYTES = 16 * 1024
_ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3

_CONTINUATION, _TEXT, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x8, 0x9, 0xA


class WebSocket:
    """An open connection. Whoever opened it closes it."""

    def __init__(self, connection: socket.socket, host: str) -> None:
        self._connection = connection
        self._host = host
        self._buffer = bytearray()
        self._is_pinged = False
        self._is_inside = False

    @classmethod
    def open(cls, url: str, reach: Reach) -> WebSocket:
        """Connect to a `wss:` address, or to `ws:` in a network that was allowed by name. Raises Undelivered."""
        host, port, is_tls, target = _parts(url)
        connection = connect(host, port, reach, is_plain=not is_tls)
        try:
            if is_tls:
                connection = reach.tls.wrap_socket(connection, server_hostname=host)
            opened = cls(connection, host)
            opened._shake_hands(target, host if urlsplit(url).port is None else f"{host}:{port}")
        except ssl.SSLCertVerificationError as error:
            connection.close()
            raise Undelivered(f"the certificate of {host} is not to be trusted: {error.verify_message}") from error
        except OSError as error:
            connection.close()
            raise Undelivered(f"{host} broke off ({type(error).__name__})") from error
        except BaseException:
            connection.close()
            raise
        return opened

    def receive(self, wait_seconds: float) -> str | None:
        """The next message, or None if none came in this time.

        Raises Undelivered when the connection is over, which it also is if nothing at all came, not even the answer
        to a ping, in two waits after one another.
        """
        deadline = time.monotonic() + wait_seconds
        try:
            return self._message(deadline)
        except TimeoutError as error:
            if self._is_pinged or self._is_inside or self._buffer:
                raise Undelivered(f"{self._host} fell silent") from error
            self._is_pinged = True
            self._send(_PING, b"")
            return None
        except OSError as error:
            raise Undelivered(f"{self._host} broke off ({type(error).__name__})") from error

    def send(self, text: str) -> None:
        """Send a message. Raises Undelivered."""
        try:
            self._send(_TEXT, text.encode())
        except OSError as error:
            raise Undelivered(f"{self._host} broke off ({type(error).__name__})") from error

    def close(self) -> None:
        """End it. Calling again is harmless."""
        self._connection.close()

    def _message(self, deadline: float) -> str:
        content = bytearray()
        while True:
            is_last, opcode, payload = self._frame(deadline)
            self._is_pinged = False
            if opcode >= _CLOSE:
                self._control(opcode, payload)
                continue
            if opcode != (_CONTINUATION if self._is_inside else _TEXT):
                raise self._broken()
            content += payload
            if len(content) > MAX_MESSAGE_BYTES:
                raise Undelivered(f"{self._host} sent a message that is too long")
            self._is_inside = not is_last
            if is_last:
                return self._decoded(content)
            deadline = time.monotonic() + EXCHANGE_SECONDS

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == _CLOSE:
            self._send(_CLOSE, payload[:2])
            raise Undelivered(f"{self._host} has closed the connection")
        if opcode == _PING:
            self._send(_PONG, payload)
        elif opcode != _PONG:
            raise self._broken()

    def _decoded(self, content: bytearray) -> str:
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise self._broken() from error

    def _frame(self, deadline: float) -> tuple[bool, int, bytes]:
        """Whether it is a message's last frame, its opcode and payload."""
        self._fill(2, deadline)
        first, second = self._buffer[:2]
        is_last, opcode, length = bool(first & 0x80), first & 0x0F, second & 0x7F
        if first & 0x70 or second & 0x80 or (opcode & 0x8 and (length > 125 or not is_last)):
            raise self._broken()
        deadline = time.monotonic() + EXCHANGE_SECONDS
        head = 2
        if length >= 126:
            kind, head = ("!H", 4) if length == 126 else ("!Q", 10)
            self._fill(head, deadline)
            (length,) = struct.unpack(kind, self._buffer[2:head])
        if length > MAX_MESSAGE_BYTES:
            raise Undelivered(f"{self._host} sent a message that is too long")
        self._fill(head + length, deadline)
        payload = bytes(self._buffer[head : head + length])
        del self._buffer[: head + length]
        return is_last, opcode, payload

    def _fill(self, size: int, deadline: float) -> None:
        while len(self._buffer) < size:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._connection.settimeout(left)
            got = self._connection.recv(64 * 1024)
            if not got:
                raise Undelivered(f"{self._host} has closed the connection")
            self._buffer += got

    def _send(self, opcode: int, payload: bytes) -> None:
        """Send one frame, masked as a client must (RFC 6455, 5.3)."""
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, length)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, length)
        mask = secrets.token_bytes(4)
        key = int.from_bytes((mask * (length // 4 + 1))[:length])
        masked = (int.from_bytes(payload) ^ key).to_bytes(length)
        self._connection.settimeout(CONNECT_SECONDS)
        self._connection.sendall(head + mask + masked)

    def _shake_hands(self, target: str, host: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        self._connection.settimeout(CONNECT_SECONDS)
        self._connection.sendall("\r\n".join(lines).encode("ascii"))
        status, headers = self._head()
        accept = base64.b64encode(hashlib.sha1((key + _ACCEPT_SUFFIX).encode(), usedforsecurity=False).digest())
        if status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            raise Undelivered(f"{self._host} opened no WebSocket: it answered {status}")
        if headers.get("Sec-WebSocket-Accept", "").strip() != accept.decode():
            raise self._broken()

    def _head(self) -> tuple[int, Message]:
        deadline = time.monotonic() + EXCHANGE_SECONDS
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _MAX_HEAD_BYTES:
                raise self._broken()
            self._fill(len(self._buffer) + 1, deadline)
        status_line, _, rest = bytes(self._buffer[: end + 4]).partition(b"\r\n")
        del self._buffer[: end + 4]
        words = status_line.split(b" ", 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.1") or not words[1].isdigit():
            raise self._broken()
        from http.client import HTTPException, parse_headers  # see `egress.post`

        try:
            return int(words[1]), parse_headers(io.BytesIO(rest))
        except HTTPException as error:
            raise self._broken() from error

    def _broken(self) -> Undelivered:
        return Undelivered(f"{self._host} does not speak WebSocket as it should")


def _parts(url: str) -> tuple[str, int, bool, str]:
    """Host, port, whether with TLS, and what is asked for. The URL holds a ticket, so no error quotes it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or parts.scheme not in ("wss", "ws") or not url.isascii() or not url.isprintable() or " " in url:
        raise Undelivered("the address of the WebSocket cannot be read")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    is_tls = parts.scheme == "wss"
    return host, port or (443 if is_tls else 80), is_tls, target
