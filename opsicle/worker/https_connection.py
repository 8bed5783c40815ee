"""One kept-alive HTTPS connection from the worker to its server."""

from __future__ import annotations

import math
import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

from opsicle.domain.errors import TooLarge
from opsicle.worker.exchange import TooLong, exchange
from opsicle.worker.identity import Identity

CONNECT_SECONDS = 10

_MAX_REPLY_BYTES = 64 * 1024 * 1024
_FRESH_SECONDS = 0.5  # so long after an answer nobody looks whether the connection is still open
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 30_000}
"""So that a held poll whose server or network vanished ends within 30 s (the last is in ms)."""


class HttpsConnection:
    """One kept-alive connection to the server, used by one call at a time.

    `is_in_use`: a request was sent whose answer is not read, so that it cannot carry another.
    `made_with` is the TLS context that it was, or will be, made with.
    """

    def __init__(
        self,
        url: str,
        identity: Identity,
        context: ssl.SSLContext,
        on_connected: Callable[[], None],
    ) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 443)
        self._host = (
            parts.netloc if parts.netloc.isascii() else parts.netloc.encode("idna").decode("ascii")
        )
        self.url = url
        self.sock: ssl.SSLSocket | None = None
        self._server_name = identity.server_name
        self._on_connected = on_connected
        self.made_with = context
        self.is_in_use = False
        self.is_aborted = False
        self._answered_at = -math.inf

    def connect(self) -> ssl.SSLSocket:
        """Connect and shake hands.

        The certificate must be for the server's name, whatever its address is.
        """
        plain = socket.create_connection(self._address, CONNECT_SECONDS)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEPALIVE.items():
                plain.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
            sock = self.sock = self.made_with.wrap_socket(plain, server_hostname=self._server_name)
        except BaseException:
            plain.close()
            raise

        if self.is_aborted:
            raise ConnectionAbortedError("interrupted")
        self._on_connected()
        return sock

    def exchange(
        self, path: str, body: bytes, seconds: float, besides: Callable[[], None]
    ) -> tuple[int, bytes]:
        """Send a request, call `besides`, read the whole answer."""
        self.is_in_use = True
        sock = self.sock or self.connect()
        if sock.gettimeout() != seconds:  # setting it asks the kernel
            sock.settimeout(seconds)

        try:
            status, content, is_kept = exchange(
                sock, self._host, path, body, besides, _MAX_REPLY_BYTES
            )
        except TooLong:
            raise TooLarge("the server's answer is larger than a worker takes") from None

        self.is_in_use = False
        self._answered_at = time.monotonic()
        if not is_kept:
            self.close()
        return status, content

    def close(self) -> None:
        """Give the connection up; the next exchange makes a new one."""
        sock, self.sock = self.sock, None
        self.is_in_use = False
        if sock is not None:
            sock.close()

    def is_alive(self) -> bool:
        """Return whether the server has kept this connection open.

        Nothing is said on it while nobody asks, so anything to read means its end. Not looked at a
        moment after an answer: should it be closed just then, the call is made again.
        """
        if self.sock is None:
            return False
        if time.monotonic() < self._answered_at + _FRESH_SECONDS:
            return True

        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)

    def abort(self) -> None:
        """End whatever another thread waits for on this connection."""
        self.is_aborted = True
        if (sock := self.sock) is not None:
            with suppress(OSError):
                # Not SSLSocket's own, which is for the thread that uses it.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
