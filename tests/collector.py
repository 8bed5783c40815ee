"""A collector of syslog over TLS (RFC 5425), for tests."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from opsicle.kit.clock import SystemClock
from opsicle.security.authority import Authority

_MESSAGE = re.compile(
    rb"<(?P<pri>\d+)>1 (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) (?P<host>[!-~]{1,255}) "
    rb"opsicle - (?P<verb>[!-~]{1,32}) "
    rb"\[opsicle@32473(?P<fields>( [!-~]+?=\"([^\"\\\]]|\\[\"\\\]])*\")*)\]"
    rb'\[origin software="opsicle" swVersion="[^"]+"\] (?P<text>[ -~]*)',
    re.DOTALL,
)
_FIELD = re.compile(r' ([A-Za-z]+)="((?:[^"\\\]]|\\["\\\]])*)"')


class Received(NamedTuple):
    """A message, taken apart strictly by RFC 5424."""

    at: str
    verb: str
    fields: dict[str, str]
    text: str

    @property
    def number(self) -> tuple[str, int]:
        """The org's id and the entry's number, by which a second one is known."""
        return self.fields["orgId"], int(self.fields["seq"])


def take_apart(message: bytes) -> Received:
    found = _MESSAGE.fullmatch(message)
    assert found, message
    fields = {
        name: re.sub(r"\\(.)", r"\1", value)
        for name, value in _FIELD.findall(found["fields"].decode())
    }
    return Received(found["at"].decode(), found["verb"].decode(), fields, found["text"].decode())


class Collector:
    """Takes messages on a port that stays its own; `start` and `stop` as often as one likes.

    With `reads` False it takes connections, and leaves what comes in its kernel's hands.
    """

    def __init__(self, folder: Path, authority: Authority | None = None) -> None:
        now = SystemClock().now()
        self.authority = authority or Authority.create(now)
        self.ca_file = folder / "collector-ca.pem"
        self.ca_file.write_text(self.authority.cert_pem)
        certificate, key = self.authority.issue_server(["localhost"], now)
        (folder / "collector.pem").write_text(certificate + key)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(folder / "collector.pem")
        self.received: list[Received] = []
        self.reads = True
        self.farewells = 0
        self.port = 0
        self._listener: socket.socket | None = None
        self._connections: list[ssl.SSLSocket] = []

    @property
    def numbers(self) -> list[tuple[str, int]]:
        return [each.number for each in self.received]

    @property
    def is_connected(self) -> bool:
        return bool(self._connections)

    def start(self) -> Collector:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def stop(self) -> None:
        """End as a process that is killed: what was not read is lost, and the other side reset."""
        if self._listener:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with suppress(OSError):
                connection = self._tls.wrap_socket(
                    plain, server_side=True, suppress_ragged_eofs=False
                )
                self._connections.append(connection)
                if self._listener is not listener:  # ended meanwhile
                    connection.close()
                threading.Thread(target=self._read, args=(connection,), daemon=True).start()

    def _read(self, connection: ssl.SSLSocket) -> None:
        if not self.reads:
            return
        stream = connection.makefile("rb")
        with suppress(OSError, ValueError):
            while length := self._length(stream):
                message = stream.read(length)
                if len(message) < length:
                    return
                self.received.append(take_apart(message))
            self.farewells += 1

    @staticmethod
    def _length(stream: object) -> int:
        digits = b""
        while (character := stream.read(1)) not in {b" ", b""}:  # type: ignore[attr-defined]
            assert character.isdigit(), character
            digits += character
        return int(digits or 0)
