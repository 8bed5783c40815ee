"""A stand-in for the *server's* side of the worker protocol, for faults that the real one cannot be made to show.

It speaks real mutual TLS 1.3 and real MessagePack, keeps what it is told, and can lose requests and
answers.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from opsicle.domain.automations import JobState
from opsicle.domain.templates import Phase
from opsicle.security import certificates, join_token
from opsicle.security.authority import SERVER_NAME, Authority
from opsicle.security.order_key import OrderKey
from opsicle.wire.jobs import Outcome, Work
from opsicle.wire.worker_api import (
    Done,
    Enrolment,
    EnrolRequest,
    FinishRequest,
    LogReply,
    LogRequest,
    PollReply,
    PollRequest,
    RefuseRequest,
    RenewReply,
    RenewRequest,
    StartRequest,
)
from opsicle.worker.identity import Identity
from tests.worker.ordering import ORG_ID, WORKER_ID, ordered

HOLD_SECONDS = 5.0


class Refusal(Exception):
    """An answer that is a problem."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.body = msgspec.json.encode(
            {"status": status, "code": code, "detail": detail, "title": code}
        )


class FakeServer:
    """`faults[call]` holds what happens to the next calls.

    "before" (not handled), "after" (handled, answer lost).
    """

    def __init__(self, folder: Path, *, worker_life: timedelta = timedelta(days=7)) -> None:
        self.authority = Authority.create(datetime.now(UTC) - timedelta(days=30))
        self.order_key = OrderKey.create()
        self.org_id, self.worker_id = ORG_ID, WORKER_ID
        self.worker_life = worker_life
        self.faults: dict[str, deque[str]] = defaultdict(deque)
        self.refusals: dict[str, Refusal] = {}
        self.calls: Counter[str] = Counter()
        self.polls: list[PollRequest] = []
        self.logs: dict[str, bytearray] = defaultdict(bytearray)
        self.phases: dict[str, Any] = {}
        self.starts: list[tuple[str, int]] = []
        self.finished: dict[str, Outcome] = {}
        self.refused: dict[str, str] = {}
        self.lost: set[str] = set()
        self.serials: list[str] = []
        self.is_revoked = False
        self.is_closing = False
        self.latest_reply = PollReply()
        self._folder = folder
        self._news: dict[str, list[Any]] = {"work": [], "cancel": [], "drop": []}
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    # The peer's life

    def start(self) -> None:
        """Listen; after a `stop`, on the same port with the same memory."""
        self.is_closing = False
        self._server = _listener(self, self.port, self._context())
        self.port = self._server.server_address[1]

    def stop(self) -> None:
        """Vanish, with every connection."""
        with self._changed:
            self.is_closing = True
            self._changed.notify_all()
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            for connection in list(self._server.connections):  # type: ignore[attr-defined]
                _hang_up(connection)
            self._server = None

    def identity(
        self, *, authority: Authority | None = None, now: datetime | None = None
    ) -> Identity:
        """Return what a worker has after enrolment."""
        made_at = now or datetime.now(UTC)
        key_pem, csr_pem = certificates.make_key_and_csr()
        issued = (authority or self.authority).issue_worker(
            certificates.load_csr(csr_pem), "acme", self.worker_id, made_at
        )
        return Identity(
            worker_id=self.worker_id,
            org="acme",
            org_id=self.org_id,
            order_key_pem=self.order_key.public.pem,
            name="worker-1",
            worker_url=f"https://127.0.0.1:{self.port}",
            joined_url="http://127.0.0.1:1",
            joined_with="",
            server_name=SERVER_NAME,
            key_pem=key_pem,
            certificate_pem=issued.pem,
            ca_pem=self.authority.cert_pem,
            issued_at=made_at,
            expires_at=made_at + self.worker_life,
        )

    # What a test wants

    def give(self, *works: Work) -> None:
        """Hand out work with a proper order for each."""
        self._tell("work", tuple(ordered(work, self.order_key) for work in works))

    def give_as_it_is(self, *works: Work) -> None:
        """Hand out work with whatever order it has."""
        self._tell("work", works)

    def cancel(self, job_id: str) -> None:
        self._tell("cancel", (job_id,))

    def drop(self, job_id: str) -> None:
        self._tell("drop", (job_id,))

    def answer_polls(self) -> None:
        """Let open polls go unanswered no longer."""
        with self._changed:
            self._changed.notify_all()

    def _tell(self, kind: str, items: tuple[Any, ...]) -> None:
        with self._changed:
            self._news[kind].extend(items)
            self._changed.notify_all()

    # What the worker wants

    def handle(self, path: str, body: bytes, serial: str) -> msgspec.Struct:
        self.serials.append(serial)
        if self.is_revoked:
            raise Refusal(401, "not_authenticated", "this worker was revoked")
        call = path.rpartition("/")[2]
        if call in self.refusals:
            raise self.refusals[call]
        handlers: dict[str, Callable[[str, bytes], msgspec.Struct]] = {
            "poll": self._poll,
            "start": self._start,
            "refuse": self._refuse,
            "log": self._log,
            "finish": self._finish,
            "renew": self._renew,
        }
        parts = path.split("/")
        return handlers[call](parts[4] if len(parts) > 4 else "", body)

    def _poll(self, _: str, body: bytes) -> PollReply:
        request = msgspec.msgpack.decode(body, type=PollRequest)
        with self._changed:
            self.polls.append(request)
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: (
                    any(self._news.values())
                    or self.is_closing
                    or self.is_revoked
                    or self.polls[-1] is not request
                ),
                min(request.wait_seconds, HOLD_SECONDS),
            )
            if self.is_revoked:
                raise Refusal(401, "not_authenticated", "this worker was revoked")
            if self.polls[-1] is not request:
                return (
                    PollReply()
                )  # nobody waits for this answer any more: what it brought would be lost
            news = {kind: tuple(items) for kind, items in self._news.items()}
            for items in self._news.values():
                items.clear()
        return PollReply(**news)

    def _start(self, job_id: str, body: bytes) -> Done:
        self._check(job_id)
        self.starts.append((job_id, msgspec.msgpack.decode(body, type=StartRequest).fence))
        return Done(JobState.RUNNING)

    def _refuse(self, job_id: str, body: bytes) -> Done:
        self._check(job_id)
        self.refused[job_id] = msgspec.msgpack.decode(body, type=RefuseRequest).reason
        return Done(JobState.RETURNED)

    def _log(self, job_id: str, body: bytes) -> LogReply:
        self._check(job_id)
        request = msgspec.msgpack.decode(body, type=LogRequest)
        if request.phases is not None:
            self.phases[job_id] = request.phases
        return LogReply(self._append(job_id, request.chunks))

    def _finish(self, job_id: str, body: bytes) -> Done:
        self._check(job_id)
        request = msgspec.msgpack.decode(body, type=FinishRequest)
        if self._append(job_id, request.chunks) < request.log_bytes:
            raise Refusal(409, "log_incomplete", "a part of the log is missing")
        self.finished.setdefault(job_id, request.outcome)
        return Done(self.finished[job_id].state)

    def _renew(self, _: str, body: bytes) -> RenewReply:
        key = certificates.load_csr(msgspec.msgpack.decode(body, type=RenewRequest).csr_pem)
        issued = self.authority.issue_worker(key, "acme", "w1", datetime.now(UTC))
        return RenewReply(issued.pem, self.authority.cert_pem)

    def _check(self, job_id: str) -> None:
        if job_id in self.lost:
            raise Refusal(409, "lease_lost", f"job {job_id} is no longer yours")

    def _append(self, job_id: str, chunks: tuple[tuple[int, int, int, int, bytes], ...]) -> int:
        log = self.logs[job_id]
        for offset, _phase, _stream, _at_ms, content in chunks:
            assert 0 < len(content) <= 64 * 1024
            if offset <= len(log):
                log += content[len(log) - offset :]
        return len(log)

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=self.authority.cert_pem)
        pair = self._folder / "peer.pem"
        pair.write_text("".join(reversed(self.authority.issue_server([], datetime.now(UTC)))))
        context.load_cert_chain(pair)
        return context


class EnrolmentPeer:
    """The user listener's part.

    It answers enrolments for one token, over plain HTTP, as behind a proxy, or TLS.
    """

    def __init__(
        self, worker_url: str = "https://127.0.0.1:1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.authority = Authority.create(datetime.now(UTC) - timedelta(days=1))
        self.order_key = OrderKey.create()
        self.worker_url = worker_url
        self.faults: dict[str, deque[str]] = defaultdict(deque)
        self.calls: Counter[str] = Counter()
        self.bodies: list[bytes] = []
        self.is_used = False
        self.forge: Callable[[Enrolment], Enrolment] = lambda enrolment: enrolment
        self.proves_what_it_forged = False
        self.checks_requests = True
        self._server = _listener(self, 0, tls)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self._server.server_address[1]}"
        self.token = join_token.new(self.url)
        self.key = join_token.stored_key(self.token.secret)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def handle(self, _path: str, body: bytes, _serial: str) -> msgspec.Struct:
        self.bodies.append(body)
        request = msgspec.json.decode(body, type=EnrolRequest)
        if self.checks_requests:
            join_token.check_request(self.key, request)
        if self.is_used:
            raise Refusal(409, "conflict", "this join token has been used")
        self.is_used = True
        issued = self.authority.issue_worker(
            certificates.load_csr(request.csr_pem), "acme", "w1", datetime.now(UTC)
        )
        enrolment = Enrolment(
            worker_id="w1",
            org="acme",
            org_id="o1",
            name=request.name,
            certificate_pem=issued.pem,
            ca_pem=self.authority.cert_pem,
            order_key_pem=self.order_key.public.pem,
            worker_url=self.worker_url,
            request_digest="",
        )
        if self.proves_what_it_forged:
            return join_token.make_reply(self.key, request, self.forge(enrolment))
        reply = join_token.make_reply(self.key, request, enrolment)
        reply.body = msgspec.json.encode(
            self.forge(msgspec.json.decode(reply.body, type=Enrolment))
        ).decode()
        return reply


J1, J2, J9 = (f"{name}-{os.getpid()}" for name in ("j1", "j2", "j9"))
"""A worker ends whatever carries the id of its job: test processes that run side by side have ids
of their own."""


def work(job_id: str, *commands: str, fence: int = 1, timeout: int = 60) -> Work:
    return Work(
        automation_id=f"a-{job_id}",
        job_id=job_id,
        fence=fence,
        template="greet",
        requester="alice@acme.example",
        phases=(Phase(name="main", commands=commands, timeout=timeout),),
    )


def _listener(fake_server: Any, port: int, context: ssl.SSLContext | None) -> ThreadingHTTPServer:
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
            _hang_up(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A broken connection is what these tests are about."""


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
        _hang_up(self.connection)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def _hang_up(connection: Any) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    with suppress(OSError):
        connection.close()
