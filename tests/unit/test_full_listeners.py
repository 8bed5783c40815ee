"""Who gets in where a listener has no room: not who says nothing, nor one worker alone."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import gevent
import pytest
from gevent import socket
from gevent.ssl import SSLContext

from opsicle.security import certificates
from opsicle.security.authority import SERVER_NAME
from opsicle.server.data_folder import DataFolder
from opsicle.server.http.wire import sockets
from opsicle.server.http.wire.sockets import Listener
from opsicle.server.http.wire.tls import Tls
from opsicle.server.settings import Address

NOW = datetime.now(UTC)


def answer(_: object, start: Callable[[str, list[tuple[str, str]]], object]) -> list[bytes]:
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]


class Fleet:
    """A listener for workers, and whoever connects to it."""

    def __init__(self, folder: DataFolder) -> None:
        self._authority = folder.authority(NOW)
        tls = Tls(folder, self._authority, (), NOW)
        self.listener = Listener(Address("127.0.0.1"), answer, context=tls.worker_context)
        self.listener.start()
        self._opened = ExitStack()

    def close(self) -> None:
        self._opened.close()
        self.listener.close()
        self.listener.join(1)

    def connect(self) -> socket.socket:
        plain = socket.create_connection(("127.0.0.1", self.listener.port), timeout=60)
        self._opened.callback(plain.close)
        return plain

    def worker(self, identity: Path) -> SSLContext:
        """Return what a new worker connects with."""
        key, csr = certificates.make_key_and_csr()
        public = certificates.load_csr(csr)
        issued = self._authority.issue_worker(public, "acme", identity.name, NOW)
        identity.write_text(key + issued.pem)
        context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self._authority.cert_pem)
        context.load_cert_chain(identity)
        return context

    def ask(self, context: SSLContext) -> bytes:
        """Make a request on a connection that stays; the answer is none if it is cut off."""
        secured = context.wrap_socket(self.connect(), server_hostname=SERVER_NAME)
        self._opened.callback(secured.close)
        try:
            secured.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return bytes(secured.recv(1000))
        except OSError:
            return b""


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    monkeypatch.setattr(sockets, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(sockets, "MAX_CONNECTIONS_PER_WORKER", 2)
    monkeypatch.setattr(sockets, "_QUICK_HANDSHAKE_SECONDS", 0)
    folder = DataFolder.open(tmp_path / "data")
    fleet = Fleet(folder)
    yield fleet
    fleet.close()
    folder.close()


def test_who_connects_and_says_nothing_keeps_no_worker_out(fleet: Fleet, tmp_path: Path) -> None:
    silent = [fleet.connect() for _ in range(6)]

    with gevent.Timeout(60):
        answered = fleet.ask(fleet.worker(tmp_path / "w1"))
        assert silent[0].recv(1) == b""

    assert answered.endswith(b"ok")


def test_one_worker_takes_no_more_than_its_share(fleet: Fleet, tmp_path: Path) -> None:
    greedy, other = fleet.worker(tmp_path / "w1"), fleet.worker(tmp_path / "w2")

    with gevent.Timeout(60):
        answered = [fleet.ask(greedy) for _ in range(3)]
        of_other = fleet.ask(other)

    assert [each[-2:] for each in answered] == [b"ok", b"ok", b""]
    assert of_other.endswith(b"ok")
