"""What stands at the other end of channels, on loopback.

Something that takes webhooks, and a real SMTP server.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from opsicle.security.authority import Authority

LOOPBACK = ("127.0.0.0/8", "::1/128")


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class WebhookReceiver:
    """Takes POSTs and answers `status`; `answer`, if set, writes the raw answer itself."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    answer: Any = None
    received: list[Received] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"


@contextmanager
def webhook_receiver(
    address: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[WebhookReceiver]:
    """Something that listens and takes what comes."""
    receiver = WebhookReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.received.append(Received(self.path, dict(self.headers.items()), body))
            if receiver.answer:
                receiver.answer(self)
                return
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((address, port), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Certified:
    """A CA of the test's own, and a server certificate of it for `names`."""

    ca_pem: str
    context: ssl.SSLContext


def certified(folder: Path, *names: str) -> Certified:
    authority = Authority.create(datetime.now(UTC))
    certificate, key = authority.issue_server(names, datetime.now(UTC))
    (folder / "server.pem").write_text(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return Certified(authority.cert_pem, context)


class Mailbox:
    """aiosmtpd's handler: keeps every message, or answers `refusal`."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refusal = ""

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, _server: Any, _session: Any, envelope: Any
    ) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.recipients += envelope.rcpt_tos
        return "250 OK"


class _AnyPort(Controller):
    """A controller that may be given port 0."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@dataclass
class MailServer:
    """A running SMTP server that asks for user `opsicle`, password `a-mail-password`."""

    mailbox: Mailbox
    port: int
    logins: list[tuple[bytes, bytes]]


@contextmanager
def mail_server(
    tls: ssl.SSLContext | None,
    *,
    is_tls_first: bool = False,
    port: int = 0,
    address: str = "127.0.0.1",
) -> Iterator[MailServer]:
    """Without `tls` it offers no STARTTLS, and takes passwords in clear: it must never see one."""
    mailbox, logins = Mailbox(), list[tuple[bytes, bytes]]()

    def authenticate(
        _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        logins.append((data.login, data.password))
        return AuthResult(
            success=data == LoginPassword(b"opsicle", b"a-mail-password"), handled=False
        )

    controller = _AnyPort(
        mailbox,
        hostname=address,
        port=port,
        ssl_context=tls if is_tls_first else None,
        tls_context=None if is_tls_first else tls,
        require_starttls=tls is not None and not is_tls_first,
        authenticator=authenticate,
        auth_required=tls is not None and not is_tls_first,
        auth_require_tls=tls is not None and not is_tls_first,
    )
    controller.start()
    try:
        yield MailServer(mailbox, controller.port, logins)
    finally:
        controller.stop()
