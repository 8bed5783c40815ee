"""One connection: strict requests in, the application's answers out.

This stands in for gevent's pywsgi handler, which (26.9) takes a duplicate or signed Content-Length,
bare LF, folded lines, a space before the colon and a missing or double Host, and answers 500 to a
malformed chunk size.
"""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import gevent
import msgspec

from opsicle.domain.errors import InvalidInput, OpsicleError, TooLarge
from opsicle.security.certificates import WorkerIdentity
from opsicle.server.http import problems
from opsicle.server.http.request import ON_DISCONNECT, WORKER_IDENTITY
from opsicle.server.http.wire.head import Head
from opsicle.server.http.wire.incoming import Body, Incoming
from opsicle.server.http.wire.peer_socket import PeerSocket
from opsicle.server.http.wire.response import ResponseWriter

log = logging.getLogger(__name__)

SEND_SECONDS = 30
"""How long a peer may take nothing of what we send before it is cut off."""

DRAIN_INPUT_SECONDS = 1.0
_DISCARD_BYTES = 64 * 1024

Application = Callable[
    [dict[str, Any], Callable[[str, list[tuple[str, str]]], object]], Iterable[bytes]
]


class RemotePeer(msgspec.Struct, frozen=True):
    """Who is at the other end.

    An IP address (`local` on a Unix socket), and what its certificate says.
    """

    address: str
    scheme: str
    identity: WorkerIdentity | None = None
    is_trusted_proxy: bool = False


class HttpConnection:
    """Serves one connection in the greenlet that calls `serve`.

    `is_idle` until the head of a request is complete.
    """

    def __init__(self, sock: socket.socket, peer: RemotePeer, application: Application) -> None:
        self.is_idle = True
        self._greenlet = cast("gevent.Greenlet[..., object]", gevent.getcurrent())
        self._sock = PeerSocket(sock)
        self._peer = peer
        self._application = application
        self._incoming = Incoming(self._sock)
        self._is_last = False

    def serve(self) -> None:
        """Answer request after request until either side has had enough.

        Leaves the socket for the caller to close.
        """
        try:
            while not self._is_last and self._incoming.wait_for_request():
                self._serve_one()
                self.is_idle = True
        except OSError as error:  # the peer has gone, or takes nothing of what we send
            log.debug(
                "connection ended", extra={"address": self._peer.address, "error": str(error)}
            )
        finally:
            self._sock.close()

    def end(self) -> None:
        """Close once the request under way is answered; at once if there is none."""
        self._is_last = True
        if self.is_idle:
            self._greenlet.kill(
                ConnectionAbortedError("the server closes idle connections"), block=False
            )

    def _serve_one(self) -> None:
        try:
            request = self._incoming.head()
        except (InvalidInput, TooLarge) as error:
            self._refuse(error)
            return

        self.is_idle = False
        self._sock.settimeout(SEND_SECONDS)
        body = Body(self._incoming, request, self._send_continue)
        answer = ResponseWriter(
            self._sock,
            minor_version=request.minor_version,
            keeps_alive=request.keeps_alive and not self._is_last,
        )

        is_whole = self._answer(answer, self._environ(request, body))
        if not is_whole or not answer.keeps_alive:
            self._is_last = True
        if not body.discard(_DISCARD_BYTES):
            self._drain_input()

    def _answer(self, answer: ResponseWriter, environ: dict[str, Any]) -> bool:
        """Call the application and send what it says; False if the answer had to be broken off."""
        parts = self._application(environ, answer.start)
        try:
            answer.send(parts)
        except OSError:
            raise
        except Exception:
            log.exception("answer broken off", extra={"path": environ["PATH_INFO"]})
            return False
        finally:
            close = getattr(parts, "close", None)
            if close:
                close()
        return True

    def _refuse(self, error: OpsicleError) -> None:
        """Answer a request that cannot be made sense of, and hang up."""
        log.info("request refused", extra={"address": self._peer.address, "detail": error.message})
        reply = problems.reply_to(error)
        content = reply.raw or b""
        self._sock.settimeout(SEND_SECONDS)
        answer = ResponseWriter(self._sock, minor_version=1, keeps_alive=False)
        answer.start(
            f"{reply.status} {error.title}",
            [("Content-Type", reply.content_type), ("Content-Length", str(len(content)))],
        )
        answer.send((content,))
        self._drain_input()

    def _drain_input(self) -> None:
        """Take in for a moment what still comes.

        Closing on unread bytes would take our answer from the peer.
        """
        self._is_last = True
        with gevent.Timeout(DRAIN_INPUT_SECONDS, TimeoutError()):
            self._sock.shutdown(socket.SHUT_WR)
            while self._sock.recv(_DISCARD_BYTES):
                pass

    def _send_continue(self) -> None:
        self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _environ(self, request: Head, body: Body) -> dict[str, Any]:
        """Return the request as PEP 3333 wants it."""
        path, _, query = request.target.partition("?")
        environ: dict[str, Any] = {
            **request.environ,
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, encoding="latin-1"),
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": f"HTTP/1.{request.minor_version}",
            "REMOTE_ADDR": self._peer.address,
            "wsgi.url_scheme": self._peer.scheme,
            "wsgi.input": body,
            WORKER_IDENTITY: self._peer.identity,
            ON_DISCONNECT: self._sock.on_disconnect,
        }

        if self._peer.is_trusted_proxy:
            _apply_forwarded(environ)
        return environ


def _apply_forwarded(environ: dict[str, Any]) -> None:
    """Take address and scheme from the proxy.

    The last address is the one that our own proxy has seen.

    What is no address (`unknown`, or a kilobyte of anything) is not taken: it would stand in the
    record, and count as somebody of its own where wrong passwords are counted.
    """
    forwarded = _address_in(environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip())
    if forwarded:
        environ["REMOTE_ADDR"] = forwarded
    if environ.get("HTTP_X_FORWARDED_PROTO", "").lower() == "https":
        environ["wsgi.url_scheme"] = "https"


def _address_in(text: str) -> str:
    """Return the IP address in an entry of X-Forwarded-For, which may have a port behind it.

    Return "" if there is none.
    """
    for candidate in (text, _host_in(text)):
        with suppress(ValueError):
            return str(ipaddress.ip_address(candidate))
    return ""


def _host_in(text: str) -> str:
    with suppress(ValueError):
        return urlsplit(f"//{text}").hostname or ""
    return ""
