"""A stand-in for the user listener's part in enrolling a worker."""

from __future__ import annotations

import ssl
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from opsicle.security import certificates, join_token
from opsicle.security.authority import Authority
from opsicle.security.order_key import OrderKey
from opsicle.wire.worker_api import Enrolment, EnrolRequest
from opsicle.worker.credentials import EnrolmentInfo, obtain_identity
from opsicle.worker.identity import Identity, WorkerDataFolder
from tests.worker.fake_listener import Refusal, listener


class FakeEnrolmentServer:
    """Answers enrolments for one token, over plain HTTP, as behind a proxy, or over TLS.

    `faults`: see FakeServer. `forge` alters what is answered, after it was proven to be the
    server's, or before if the server `proves_what_it_forged`.
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
        self._server = listener(self, 0, tls)
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


def obtain(folder: WorkerDataFolder, token: str) -> Identity:
    """Return the identity that a worker of this folder has or gets by this token."""
    return obtain_identity(
        folder, EnrolmentInfo(join=token, name="worker-1", labels={"zone": "north"})
    )
