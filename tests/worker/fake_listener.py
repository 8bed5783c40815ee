"""An HTTP server whose requests and answers can be lost, for the stand-ins of a server."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec


class Refusal(Exception):
    """An answer that is a problem."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.body = msgspec.json.encode(
            {"status": status, "code": code, "detail": detail, "title": code}
        )


def listener(fake_server: Any, port: int, context: ssl.SSLContext | None) -> ThreadingHTTPServer:
    server = _Server(("127.0.0.1", port), _Handler)
    server.fake_server, server.context = fake_server, context
    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    ).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    context: ssl.SSLContext | None
    fake_server: Any

    def __init__(self, *args: Any) -> None:
        self.connections: set[Any] = set()
        super().__init__(*args)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.context:
            request = self.context.wrap_socket(request, server_side=True)
        self.connections.add(request)
        try:
            super().finish_request(request, client_address)
        finally:
            self.connections.discard(request)
            hang_up(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a broken connection is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        fake_server = self.server.fake_server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        call = self.path.rpartition("/")[2]
        fake_server.calls[call] += 1
        fault = fake_server.faults[call].popleft() if fake_server.faults[call] else ""
        if fault == "before":
            self._vanish()
            return

        status, content = self._answer(body)
        if fault == "after":
            self._vanish()
            return

        if fault == "slow":
            time.sleep(0.3)
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, body: bytes) -> tuple[int, bytes]:
        encode = msgspec.json.encode if "enrol" in self.path else msgspec.msgpack.encode
        try:
            return 200, encode(self.server.fake_server.handle(self.path, body, self._serial()))
        except Refusal as refusal:
            return refusal.status, refusal.body

    def _serial(self) -> str:
        if not isinstance(self.connection, ssl.SSLSocket):
            return ""
        return str((self.connection.getpeercert() or {}).get("serialNumber", ""))

    def _vanish(self) -> None:
        self.close_connection = True
        hang_up(self.connection)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def hang_up(connection: Any) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    with suppress(OSError):
        connection.close()
