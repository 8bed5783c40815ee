"""HTTP to one server, as one caller: every failure is an error that a person can read."""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

import msgspec
import urllib3
from urllib3 import exceptions
from urllib3.response import BaseHTTPResponse

from opsicle.client.trust import refused_certificate, tls_context
from opsicle.client.unix_sockets import UnixSocketPool
from opsicle.domain.errors import InvalidInput, Unreachable
from opsicle.wire.problems import error_of

CONNECT_SECONDS = 10
READ_SECONDS = 60
STREAM_SILENCE_SECONDS = 40
"""After this long without a byte a stream is dead: the server sends a comment every 15 s."""

_PIECE_BYTES = 64 * 1024
UNIX = "unix"
_DEFAULT_PORTS = {"https": 443, "http": 80}

_NAME = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?")
_MOST_OF_NAME = 253


class Server(msgspec.Struct, frozen=True):
    """Where a server listens. For the scheme `unix` the socket's path stands in `host`."""

    scheme: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as a person writes it."""
        if self.scheme == UNIX:
            return f"{UNIX}:{self.host}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (
            "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        )


class ApiReply(msgspec.Struct, frozen=True):
    """A good answer, whole."""

    body: bytes
    headers: Mapping[str, str]


class Stream(NamedTuple):
    """A good answer whose body is still coming."""

    headers: Mapping[str, str]
    pieces: Iterator[bytes]


def parse_server(url: str) -> Server:
    """Read a server's address; `https://` may be left out.

    Plain HTTP is for loopback and `unix:/path` alone.
    Raises InvalidInput.
    """
    if url.strip().startswith(f"{UNIX}:"):
        return _parse_unix(url.strip())

    text = url.strip() if "://" in url else f"https://{url.strip()}"
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InvalidInput(f"`{url}` is not a server's address: {error}") from None

    host = parts.hostname or ""
    if parts.scheme not in _DEFAULT_PORTS or not _is_host(host):
        raise InvalidInput(
            f"`{url}` is not a server's address", hint="It looks like https://ops.example.com:8443"
        )
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username:
        raise InvalidInput(
            f"`{url}` has more than a host and a port", hint=f"Try https://{parts.netloc}"
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise InvalidInput(
            "plain http:// is spoken only to this machine itself",
            hint="Use https://, so that nobody reads along.",
        )

    return Server(parts.scheme, host, port or _DEFAULT_PORTS[parts.scheme])


def _is_host(text: str) -> bool:
    """Return whether this can be a name or an IP address: one without the name of an interface."""
    with suppress(ValueError):
        return "%" not in str(ipaddress.ip_address(text))
    return len(text) <= _MOST_OF_NAME and _NAME.fullmatch(text) is not None


def _parse_unix(url: str) -> Server:
    path = url.removeprefix(f"{UNIX}:")
    if not path.startswith("/") or path.startswith("//") or not path.isprintable():
        raise InvalidInput(
            f"`{url}` is no Unix socket", hint="It looks like unix:/run/opsicle/http.sock"
        )
    return Server(UNIX, path, 0)


def is_loopback(host: str) -> bool:
    """Return whether this names the machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class ApiConnection:
    """One server, spoken to over kept-alive connections.

    Redirects are never followed: a token stays where it is. `while_waiting` surrounds every request
    that is answered at once; set it to show a person that we wait.
    """

    def __init__(
        self, server: Server, *, token: str = "", context: ssl.SSLContext | None = None
    ) -> None:
        self.server = server
        self.while_waiting: Callable[[], AbstractContextManager[None]] = nullcontext
        self._headers = {"User-Agent": "opsicle"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pool = _pool(server, context)

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> ApiReply:
        """Ask once, and return the whole answer.

        Raises what the server's problem says, or Unreachable.
        """
        with (
            self.while_waiting(),
            self._open(method, path, body, headers or {}, READ_SECONDS) as response,
        ):
            return ApiReply(response.data, response.headers)

    def send_file(self, path: str, pieces: Iterator[bytes], size: int) -> ApiReply:
        """Post `size` bytes, in pieces, and return the whole answer. Raises as `send`."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        with self._open("POST", path, pieces, headers, READ_SECONDS) as response:
            return ApiReply(response.data, response.headers)

    @contextmanager
    def stream(self, path: str, *, headers: Mapping[str, str] | None = None) -> Iterator[Stream]:
        """Ask once, and hand over the answer's bytes as they come.

        Raises as `send` does, also in the midst.
        """
        with self._open("GET", path, None, headers or {}, STREAM_SILENCE_SECONDS) as response:
            yield Stream(response.headers, iter(lambda: response.read1(_PIECE_BYTES), b""))

    @contextmanager
    def _open(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None,
        headers: Mapping[str, str],
        silence_seconds: int,
    ) -> Iterator[BaseHTTPResponse]:
        all_headers = {**self._headers, **headers}
        if isinstance(body, bytes):
            all_headers["Content-Type"] = "application/json"
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=silence_seconds)

        try:
            response = self._pool.urlopen(
                method,
                path,
                body,
                all_headers,
                retries=False,
                redirect=False,
                timeout=timeout,
                preload_content=False,
            )
            try:
                _raise_for_problem(response)
                yield response
            finally:
                response.close()
        except (exceptions.HTTPError, OSError) as error:
            self._raise_unreachable(error)

    def _raise_unreachable(self, error: Exception) -> NoReturn:
        cause = _root_cause(error)

        if isinstance(cause, ssl.SSLCertVerificationError):
            raise refused_certificate(cause, self.server.host) from cause
        if isinstance(cause, ssl.SSLError):
            raise Unreachable(
                f"{self.server.url} does not speak TLS as we do: {cause.reason or cause}",
                hint="Is this the address of the users' listener?",
            ) from cause
        raise Unreachable(
            f"{self.server.url} {_what_happened(error, cause)}", hint=_REACHABLE_HINT
        ) from cause


_REACHABLE_HINT = "Is the server running, and is this its address?"


def _pool(server: Server, context: ssl.SSLContext | None) -> urllib3.HTTPConnectionPool:
    if server.scheme == UNIX:
        return UnixSocketPool(server.host)
    if server.scheme == "http":
        return urllib3.HTTPConnectionPool(server.host, server.port)
    return urllib3.HTTPSConnectionPool(
        server.host, server.port, ssl_context=context or tls_context()
    )


def _root_cause(error: BaseException) -> BaseException:
    """Return the innermost exception: urllib3 wraps it in up to three of its own."""
    while True:
        inner = error.__cause__ or (
            error.args[-1] if error.args and isinstance(error.args[-1], Exception) else None
        )
        if inner is None or inner is error:
            return error
        error = inner


def _what_happened(error: Exception, cause: BaseException) -> str:
    if isinstance(error, exceptions.NameResolutionError):
        return "cannot be found: its name is unknown here"
    if isinstance(cause, ConnectionRefusedError):
        return "refuses the connection"
    if isinstance(error, exceptions.TimeoutError) or isinstance(cause, TimeoutError):
        return "does not answer"
    if isinstance(cause, OSError) and cause.strerror:
        return f"cannot be reached: {cause.strerror}"
    return "closed the connection before it had answered"


def _raise_for_problem(response: BaseHTTPResponse) -> None:
    """Return for a good answer only; raise the error that the server meant for any other."""
    if response.status < 300:
        return
    if response.status < 400:
        where = response.headers.get("Location", "elsewhere")
        raise InvalidInput(
            f"the server sends us to {where}, where we do not follow",
            hint="Use that address itself.",
        )
    raise error_of(response.status, response.data, response.headers.get("Retry-After"))
