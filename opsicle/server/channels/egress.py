"""Connections out of the server on an org's behalf.

To public addresses, and to networks that an admin has allowed.

The name is resolved once, every address is judged, and the connection goes to the very address that
was judged, so that a name that resolves to something else a moment later leads nowhere. Everything
is bounded in time and size.
"""

from __future__ import annotations

import functools
import io
import socket
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

from opsicle.domain.networks import is_in, may_reach
from opsicle.server.channels.messages import Undelivered

CONNECT_SECONDS = 10.0
EXCHANGE_SECONDS = 15.0
"""From the connection's beginning to the last byte of the answer."""

MAX_ANSWER_BYTES = 1024 * 1024


class EgressScope(msgspec.Struct, frozen=True):
    """What a channel may reach, and which CA (PEM; "": the system's) vouches for it."""

    allow_networks: tuple[str, ...] = ()
    ca_pem: str = ""

    @property
    def tls(self) -> ssl.SSLContext:
        """Checks certificate and name. Raises Undelivered if the CA cannot be read."""
        return _context(self.ca_pem)


class EgressResponse(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    body: bytes


def connect(host: str, port: int, reach: EgressScope, *, is_plain: bool = False) -> socket.socket:
    """Return a TCP connection.

    `is_plain`: only into a network that was allowed by name. Raises Undelivered.
    """
    for family, address in _addresses(host, port, reach, is_plain=is_plain):
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(CONNECT_SECONDS)
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise Undelivered(f"{host}:{port} cannot be reached: {_failure_text(failure)}")


def _addresses(
    host: str, port: int, reach: EgressScope, *, is_plain: bool
) -> list[tuple[Any, Any]]:
    """Return where the name leads, all of it judged. Raises Undelivered."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Undelivered(f"the name {host} cannot be resolved") from error

    is_allowed = is_in if is_plain else may_reach
    for *_, address in found:
        if not is_allowed(str(address[0]), reach.allow_networks):
            raise Undelivered(
                f"{host} lies in a network that is not public; an admin can allow it on the "
                "channel (allow_networks), as far as whoever runs the server lets them "
                "(opsicle server --allow-egress)"
            )
    if not found:
        raise Undelivered(f"the name {host} cannot be resolved")
    return [(family, address) for family, _, _, _, address in found]


def post(
    url: str,
    body: bytes,
    headers: dict[str, str],
    reach: EgressScope,
    seconds: float = EXCHANGE_SECONDS,
) -> EgressResponse:
    """Send a body and read the answer, whatever its status; a redirect is an answer.

    Raises Undelivered.
    """
    # It brings `email` with it, which a server without channels does not need.
    from http.client import HTTPConnection, HTTPException

    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    deadline = time.monotonic() + seconds
    port = parts.port or (443 if is_tls else 80)
    connection = connect(host, port, reach, is_plain=not is_tls)

    try:
        if is_tls:
            connection = reach.tls.wrap_socket(connection, server_hostname=host)
        client = HTTPConnection(host, port)
        client.sock = _DeadlineSocket(connection, deadline)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        client.request(
            "POST", target, body, {"Host": parts.netloc, "Connection": "close", **headers}
        )

        answer = client.getresponse()
        return EgressResponse(answer.status, answer.read(MAX_ANSWER_BYTES))
    except ssl.SSLCertVerificationError as error:
        raise Undelivered(
            f"the certificate of {host} is not to be trusted: {error.verify_message}"
        ) from error
    except TimeoutError as error:
        raise Undelivered(f"{host} took too long to answer") from error
    except (OSError, HTTPException) as error:
        raise Undelivered(f"{host} broke off: {_failure_text(error)}") from error
    finally:
        connection.close()


class _DeadlineSocket:
    """A socket as `http.client` uses one, whose every step must end before one deadline.

    Closing is its owner's.
    """

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def sendall(self, content: bytes) -> None:
        """Send everything. Raises TimeoutError."""
        self._arm()
        self._connection.sendall(content)

    def receive_into(self, buffer: Any) -> int:
        """Read what there is. Raises TimeoutError."""
        self._arm()
        return self._connection.recv_into(buffer)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what is read from."""
        return io.BufferedReader(_Incoming(self))

    def close(self) -> None:
        """Do nothing, as the answer is still being read when `http.client` closes."""

    def _arm(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)


class _Incoming(io.RawIOBase):
    """The reading side, as the buffer above it wants it."""

    def __init__(self, timed: _DeadlineSocket) -> None:
        self._timed = timed

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is. Raises TimeoutError."""
        return self._timed.receive_into(buffer)


@functools.lru_cache(maxsize=64)
def _context(ca_pem: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=ca_pem or None)
    except (ssl.SSLError, ValueError) as error:
        raise Undelivered("the channel's CA certificate cannot be read") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _failure_text(error: Exception) -> str:
    """Return what went wrong in the system's words.

    Never an exception's own text, which may hold what was sent.
    """
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
