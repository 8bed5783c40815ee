"""A man in the middle of a real server and its real workers, who alters what the server sends.

It has what a front of the server would have that was taken over: a certificate that the workers
take for the server's, and, for its own side, ones that the server takes for the workers'. It has
not the key that signs orders.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from opsicle.domain.automations import JobState
from opsicle.security import certificates
from opsicle.security.authority import Authority
from opsicle.security.certificates import WorkerIdentity
from opsicle.wire.jobs import Work
from opsicle.wire.worker_api import Done, FinishReply, PollReply

Alter = Callable[[tuple[Work, ...]], tuple[Work, ...]]


class InterceptingProxy:
    """Listens from the beginning, so that a server can name it to its workers.

    Serves from `stand_before` on.

    `alter` says what workers get instead of the work that was sent; `refused` are the reasons that
    they gave. Whoever asks whether they may begin is told that they may, whatever the server says.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.proxy = self
        self.port: int = self._http.server_address[1]
        self.alter: Alter = lambda works: works
        self.refused: list[str] = []

    def stand_before(self, worker_url: str, data_folder: Path) -> None:
        """Begin, with the keys of the server that has this data folder."""
        pem = (data_folder / "authority.pem").read_text()
        self._authority = Authority.load(pem, pem)
        self._target = urlsplit(worker_url)

        pair = self._folder / "middleman.pem"
        pair.write_text("".join(reversed(self._authority.issue_server([], datetime.now(UTC)))))

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=self._authority.cert_pem)
        context.load_cert_chain(pair)

        self._http.context = context
        threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def upstream(self, who: WorkerIdentity) -> http.client.HTTPSConnection:
        """Return a connection to the real server, as this worker."""
        key_pem, csr_pem = certificates.make_key_and_csr()
        issued = self._authority.issue_worker(
            certificates.load_csr(csr_pem), who.org, who.worker_id, datetime.now(UTC)
        )

        pair = self._folder / f"as-{who.worker_id}-{issued.serial}.pem"
        pair.write_text(key_pem + issued.pem)

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self._authority.cert_pem)
        context.load_cert_chain(pair)
        return http.client.HTTPSConnection(
            str(self._target.hostname), self._target.port, context=context, timeout=120
        )

    def altered(self, path: str, content: bytes) -> bytes:
        """Return the answer that a worker gets in the place of a good one."""
        kind = {"poll": PollReply, "finish": FinishReply}.get(path.rpartition("/")[2])
        if kind is None:
            return content
        reply: Any = msgspec.msgpack.decode(content, type=kind)
        return msgspec.msgpack.encode(msgspec.structs.replace(reply, work=self.alter(reply.work)))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    context: ssl.SSLContext
    proxy: InterceptingProxy

    def finish_request(self, request: Any, client_address: Any) -> None:
        with self.context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore that workers hang up when the test ends."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        who = certificates.worker_identity(self.connection.getpeercert() or {})  # type: ignore[attr-defined]
        self._upstream = self.server.proxy.upstream(who)

    def finish(self) -> None:
        self._upstream.close()
        with suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/refuse"):
            proxy.refused.append(str(msgspec.msgpack.decode(body)["reason"]))

        kept = {
            name: value
            for name, value in self.headers.items()
            if name.lower() not in ("host", "content-length")
        }
        self._upstream.request("POST", self.path, body, kept)

        response = self._upstream.getresponse()
        content = response.read()
        status = response.status
        if status == 200:
            content = proxy.altered(self.path, content)
        elif self.path.endswith("/start"):
            status, content = 200, msgspec.msgpack.encode(Done(JobState.RUNNING))

        self.send_response(status)
        self.send_header("Content-Type", response.getheader("Content-Type", ""))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""
