"""The client's side of a WebSocket (RFC 6455): text only, over a judged connection.

The library `websockets` speaks the protocol, in its half that does no I/O; connecting, waiting and
giving up are ours. Nothing that the other side sends is taken at more than its size, and a side
that falls silent is noticed.
"""

from __future__ import annotations

import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus, PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.protocol import CONNECTING, Event
from websockets.uri import WebSocketURI

from opsicle.server.channels.egress import CONNECT_SECONDS, EXCHANGE_SECONDS, EgressScope, connect
from opsicle.server.channels.messages import Undelivered

MAX_MESSAGE_BYTES = 1024 * 1024

_SILENT = logging.Logger("websockets", logging.CRITICAL + 1)
"""The library would log what is said, which holds tickets and codes, where a server is started with
--verbose."""


class WebSocket:
    """An open connection. Whoever opened it closes it."""

    def __init__(self, connection: socket.socket, uri: WebSocketURI) -> None:
        self._connection = connection
        self._host = uri.host
        self._protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_BYTES, logger=_SILENT)
        self._events: deque[Event] = deque()
        self._message = bytearray()
        self._is_pinged = False

    @classmethod
    def open(cls, url: str, reach: EgressScope) -> WebSocket:
        """Connect to a `wss:` address, or to `ws:` in a network that was allowed by name.

        Raises Undelivered.
        """
        uri = _parsed(url)
        connection = connect(uri.host, uri.port, reach, is_plain=not uri.secure)
        try:
            with _explained(uri.host):
                if uri.secure:
                    connection = reach.tls.wrap_socket(connection, server_hostname=uri.host)
                opened = cls(connection, uri)
                opened._shake_hands()
        except BaseException:
            connection.close()
            raise
        return opened

    def receive(self, wait_seconds: float) -> str | None:
        """Return the next message, or None if none was complete in this time.

        Raises Undelivered when the connection is over, which it also is if not even the answer to a
        ping came, nor any other frame, in two waits after one another.
        """
        deadline = time.monotonic() + wait_seconds
        with _explained(self._host):
            while (text := self._next_message()) is None and self._read(deadline):
                pass
            if text is None:
                self._ping()
        return text

    def send(self, text: str) -> None:
        """Send a message. Raises Undelivered."""
        with _explained(self._host):
            self._protocol.send_text(text.encode())
            self._flush()

    def close(self) -> None:
        """End it. Calling again is harmless."""
        self._connection.close()

    def _shake_hands(self) -> None:
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        deadline = time.monotonic() + EXCHANGE_SECONDS
        while self._protocol.state is CONNECTING and self._protocol.handshake_exc is None:
            if not self._read(deadline):
                raise TimeoutError

        refusal = self._protocol.handshake_exc
        if isinstance(refusal, InvalidStatus):
            raise Undelivered(
                f"{self._host} opened no WebSocket: it answered {refusal.response.status_code}"
            )
        if refusal is not None:
            raise self._broken()
        self._events.popleft()  # the answer to the handshake

    def _ping(self) -> None:
        if self._is_pinged:
            raise Undelivered(f"{self._host} fell silent")
        self._is_pinged = True
        self._protocol.send_ping(b"")
        self._flush()

    def _read(self, deadline: float) -> bool:
        """Wait for more bytes, and answer what wants an answer at once.

        Return False if none came by the deadline.
        """
        left = deadline - time.monotonic()
        if left <= 0:
            return False

        self._connection.settimeout(left)
        try:
            got = self._connection.recv(64 * 1024)
        except TimeoutError:
            return False
        if not got:
            raise self._closed()

        self._protocol.receive_data(got)
        self._events += self._protocol.events_received()
        self._flush()
        return True

    def _next_message(self) -> str | None:
        while self._events:
            frame = self._events.popleft()
            assert isinstance(frame, Frame)
            self._is_pinged = False
            if frame.opcode is Opcode.CLOSE:
                raise self._closed()
            if frame.opcode is Opcode.BINARY:
                raise self._broken()
            if frame.opcode in (Opcode.TEXT, Opcode.CONT):
                self._message += frame.data
                if frame.fin:
                    return self._decoded()

        if isinstance(self._protocol.parser_exc, PayloadTooBig):
            raise Undelivered(f"{self._host} sent a message that is too long")
        if self._protocol.parser_exc is not None:
            raise self._broken()
        return None

    def _decoded(self) -> str:
        content, self._message = self._message, bytearray()
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise self._broken() from None

    def _flush(self) -> None:
        """Send what the protocol has to say."""
        self._connection.settimeout(CONNECT_SECONDS)
        self._connection.sendall(b"".join(self._protocol.data_to_send()))

    def _closed(self) -> Undelivered:
        return Undelivered(f"{self._host} has closed the connection")

    def _broken(self) -> Undelivered:
        return Undelivered(f"{self._host} does not speak WebSocket as it should")


@contextmanager
def _explained(host: str) -> Iterator[None]:
    """Say why a connection failed."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise Undelivered(
            f"the certificate of {host} is not to be trusted: {error.verify_message}"
        ) from error
    except OSError as error:
        raise Undelivered(f"{host} broke off ({type(error).__name__})") from error


def _parsed(url: str) -> WebSocketURI:
    """Return a URL's parts. It holds a ticket, so no error quotes it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None

    if (
        not host
        or parts.scheme not in ("wss", "ws")
        or not url.isascii()
        or not url.isprintable()
        or " " in url
    ):
        raise Undelivered("the address of the WebSocket cannot be read")

    is_tls = parts.scheme == "wss"
    return WebSocketURI(is_tls, host, port or (443 if is_tls else 80), parts.path, parts.query)
