"""A thin client of the HTTP API, for measuring and for judging.

One kept-alive TLS connection, nothing in between.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.support import wait_until


@dataclass(frozen=True)
class Access:
    """Where the server is, whom to trust and who we are; can be handed to another process."""

    url: str
    ca_pem: str
    token: str


class Unavailable(Exception):
    """The server is there but does not take requests just now."""


class Api:
    """One connection, one caller at a time."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._headers = {
            "Authorization": f"Bearer {access.token}",
            "Content-Type": "application/json",
        }
        self._connection = self._connect()
        self._events: http.client.HTTPSConnection | None = None

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        if self._events:
            self._events.close()

    def _connect(self) -> http.client.HTTPSConnection:
        parts = urlsplit(self._access.url)
        context = ssl.create_default_context(cadata=self._access.ca_pem)
        connection = http.client.HTTPSConnection(
            str(parts.hostname), parts.port, context=context, timeout=120
        )
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def request(self, method: str, path: str, body: object = None, key: str = "") -> bytes:
        """Send and wait for the whole answer. `key` is the Idempotency-Key."""
        content = json.dumps(body).encode() if body is not None else None
        headers = {**self._headers, "Idempotency-Key": key} if key else self._headers
        self._connection.request(method, path, content, headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status == 503:
            raise Unavailable(answer.decode())
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {answer.decode()}")
        return answer

    def json(self, method: str, path: str, body: object = None) -> Any:
        """Send and decode the answer."""
        return json.loads(self.request(method, path, body))

    def retry(
        self, method: str, path: str, body: object = None, key: str = "", patience: float = 60.0
    ) -> Any:
        """Send until there is an answer, however often the server goes away meanwhile."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return json.loads(self.request(method, path, body, key))
            except (OSError, http.client.HTTPException, Unavailable):
                if time.monotonic() > deadline:
                    raise
            wait_until(self.reconnects, patience, "the server to be back")

    def reconnects(self) -> bool:
        """Return whether the server takes a new connection, which is then used."""
        self._connection.close()
        # Python itself leaves a socket open that is reset just before its handshake.
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            try:
                self._connection = self._connect()
            except OSError:
                return False
            return True

    def run(self, template: str) -> str:
        """Trigger an automation; answers its id."""
        return str(self.json("POST", "/api/v1/automations", {"template": template})["id"])

    def events(self, path: str) -> Iterator[tuple[str, Any]]:
        """Yield the server-sent events of a path, over a connection of their own that is kept."""
        self._events = self._events or self._connect()
        try:
            self._events.request("GET", path, headers=self._headers)
            with self._events.getresponse() as response:
                yield from _parsed(response)
                response.read()
        except BaseException:
            self._events.close()
            self._events = None
            raise

    def wait_final(self, automation_id: str) -> Any:
        """Follow an automation to its end; answers how it then looks."""
        shown: Any = None
        has_ended = False
        for name, data in self.events(f"/api/v1/automations/{automation_id}/events"):
            shown = data if name == "automation" else shown
            has_ended = has_ended or name == "end"
        if not has_ended:
            raise RuntimeError("the event stream ended before the automation did")
        return shown


def _parsed(response: http.client.HTTPResponse) -> Iterator[tuple[str, Any]]:
    name, data = "", ""
    for raw in response:
        line = raw.decode().rstrip("\n")
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data = line[5:].strip()
        elif not line and name:
            yield name, json.loads(data)
            name = ""
