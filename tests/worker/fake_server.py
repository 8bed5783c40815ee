"""A stand-in for the *server's* side of the worker protocol.

It is for faults that the real one cannot be made to show. It speaks real mutual TLS 1.3 and real
MessagePack, keeps what it is told, and can lose requests and answers.
"""

from __future__ import annotations

import os
import ssl
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from opsicle.domain.automations import JobState
from opsicle.domain.templates import Phase
from opsicle.security import certificates
from opsicle.security.authority import SERVER_NAME, Authority
from opsicle.security.order_key import OrderKey
from opsicle.wire.jobs import Outcome, Work
from opsicle.wire.worker_api import (
    Done,
    FileReply,
    FileRequest,
    FinishRequest,
    LogReply,
    LogRequest,
    PauseRequest,
    PollReply,
    PollRequest,
    RefuseRequest,
    RenewReply,
    RenewRequest,
    StartRequest,
)
from opsicle.worker.identity import Identity
from tests.worker.fake_listener import Refusal, hang_up, listener
from tests.worker.signed_work import ORG_ID, WORKER_ID, ordered

HOLD_SECONDS = 5.0


class FakeServer:
    """`faults[call]` holds what happens to the next calls.

    "before" (not handled), "after" (handled, answer lost).
    """

    def __init__(self, folder: Path, *, boot_id: timedelta = timedelta(days=7)) -> None:
        self.authority = Authority.create(datetime.now(UTC) - timedelta(days=30))
        self.order_key = OrderKey.create()
        self.org_id, self.worker_id = ORG_ID, WORKER_ID
        self.boot_id = boot_id
        self.faults: dict[str, deque[str]] = defaultdict(deque)
        self.refusals: dict[str, Refusal] = {}
        self.calls: Counter[str] = Counter()
        self.polls: list[PollRequest] = []
        self.logs: dict[str, bytearray] = defaultdict(bytearray)
        self.phases: dict[str, Any] = {}
        self.starts: list[tuple[str, int]] = []
        self.finished: dict[str, Outcome] = {}
        self.refused: dict[str, str] = {}
        self.paused: dict[str, int] = {}
        self.lost: set[str] = set()
        self.files: dict[str, bytes] = {}
        self.file_bytes_at_once = 1000
        self.serials: list[str] = []
        self.is_revoked = False
        self.is_closing = False
        self.latest_reply = PollReply()
        self._folder = folder
        self._news: dict[str, list[Any]] = {"work": [], "cancel": [], "drop": []}
        self._changed = threading.Condition()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0

    # Start and stop

    def start(self) -> None:
        """Listen; after a `stop`, on the same port with the same memory."""
        self.is_closing = False
        self._server = listener(self, self.port, self._context())
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
                hang_up(connection)
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
            expires_at=made_at + self.boot_id,
        )

    # What a test wants

    def give(self, *works: Work) -> None:
        """Hand out work with a proper order for each."""
        self._answer_polls("work", tuple(ordered(work, self.order_key) for work in works))

    def give_as_it_is(self, *works: Work) -> None:
        """Hand out work with whatever order it has."""
        self._answer_polls("work", works)

    def cancel(self, job_id: str) -> None:
        self._answer_polls("cancel", (job_id,))

    def drop(self, job_id: str) -> None:
        self._answer_polls("drop", (job_id,))

    def answer_polls(self) -> None:
        """Let open polls go unanswered no longer."""
        with self._changed:
            self._changed.notify_all()

    def _answer_polls(self, kind: str, items: tuple[Any, ...]) -> None:
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
            "file": self._file,
            "start": self._start,
            "refuse": self._refuse,
            "log": self._log,
            "pause": self._pause,
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
                # Nobody waits for this answer any more: what it brought would be lost.
                return PollReply()
            news = {kind: tuple(items) for kind, items in self._news.items()}
            for items in self._news.values():
                items.clear()

        return msgspec.structs.replace(self.latest_reply, **news)

    def _file(self, job_id: str, body: bytes) -> FileReply:
        self._check(job_id)
        request = msgspec.msgpack.decode(body, type=FileRequest)
        if request.sha256 not in self.files:
            raise Refusal(404, "not_found", "the server has lost this file")
        start = request.offset
        return FileReply(self.files[request.sha256][start : start + self.file_bytes_at_once])

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

    def _pause(self, job_id: str, body: bytes) -> Done:
        self._check(job_id)
        request = msgspec.msgpack.decode(body, type=PauseRequest)
        self._append(job_id, request.chunks)
        self.paused[job_id] = request.fence
        return Done(JobState.PAUSED)

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
        pair = self._folder / "server.pem"
        pair.write_text("".join(reversed(self.authority.issue_server([], datetime.now(UTC)))))
        context.load_cert_chain(pair)
        return context


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
