"""HTTP as a program or a browser speaks it, without our own client.

And raw sockets for what no client sends.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SECONDS = 60.0


@dataclass
class Response:
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    def __str__(self) -> str:
        return f"{self.status} {self.content[:500]!r}"


@dataclass
class Client:
    """Somebody who talks to one listener; `headers` go with every request."""

    url: str
    context: ssl.SSLContext | None
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> Response:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Response:
        return self.send("POST", path, body, headers)

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = {}
    ) -> Response:
        """Send one request on a connection of its own. Names in `headers` may have `_` for `-`."""
        connection = self.connect()
        sent = {
            **self.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if content is not None:
            sent.setdefault("Content-Type", "application/json")

        try:
            connection.request(method, path, content, sent)
            reply = connection.getresponse()
            return Response(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection that stays open for more than one request."""
        place = urlsplit(self.url)
        assert place.hostname
        if self.context is None:
            return http.client.HTTPConnection(place.hostname, place.port, timeout=SECONDS)
        return http.client.HTTPSConnection(
            place.hostname, place.port, timeout=SECONDS, context=self.context
        )

    def events(self, path: str, **headers: str) -> Iterator[dict[str, str]]:
        """Yield server-sent events, each as its fields, until the server ends the stream."""
        connection = self.connect()
        sent = {
            **self.headers,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }

        connection.request("GET", path, headers=sent)
        reply = connection.getresponse()
        assert reply.status == 200, reply.read()

        event: dict[str, str] = {}
        try:
            for raw in reply:
                line = raw.decode().rstrip("\n")
                if not line and event:
                    yield event
                    event = {}
                elif line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    event[name] = value
        finally:
            connection.close()

    def socket(self) -> socket.socket:
        """Return a bare connection, for bytes that no HTTP library sends."""
        place = urlsplit(self.url)
        plain = socket.create_connection((place.hostname, place.port), timeout=SECONDS)
        return (
            self.context.wrap_socket(plain, server_hostname=place.hostname)
            if self.context
            else plain
        )

    def raw(self, content: bytes) -> bytes:
        """Send these bytes; answer all that comes back until the server hangs up."""
        with self.socket() as sock:
            sock.sendall(content)
            return read_all(sock)


def read_all(sock: socket.socket) -> bytes:
    """Return everything until the peer hangs up, however it does that."""
    received = b""
    try:
        while part := sock.recv(65536):
            received += part
    except (ConnectionError, ssl.SSLError):
        pass
    return received


def trusting(ca: Path) -> ssl.SSLContext:
    """Return a TLS context that trusts this CA alone."""
    return ssl.create_default_context(cafile=str(ca))
