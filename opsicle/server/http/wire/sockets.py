"""The two sockets that the server listens on: people's and workers'."""

from __future__ import annotations

import errno
import grp
import logging
import os
import resource
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from ssl import CERT_REQUIRED
from typing import Any, cast

import gevent
import gevent.pool
from gevent import socket
from gevent.server import StreamServer
from gevent.ssl import SSLContext, SSLSocket

from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, NotAuthenticated, OpsicleError
from opsicle.domain.source_networks import source_network
from opsicle.security import certificates
from opsicle.server.http.wire.connection import Application, HttpConnection, RemotePeer
from opsicle.server.settings import Address

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10
MAX_CONNECTIONS = 4096
MAX_CONNECTIONS_PER_ADDRESS = 1024
"""On the users' listener only: a whole fleet of workers may sit behind one address. All of an IPv6
network count as one."""

MAX_CONNECTIONS_PER_WORKER = 256
"""So that no worker keeps all others out. It keeps 32 open, and has one more for each call that is
under way: where more of its jobs have something to say at once, the rest say it a second later."""

_QUICK_HANDSHAKE_SECONDS = 1.0
"""One that takes longer goes first when there is no room."""

_BACKLOG = 1024

_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}
"""Seconds, and how many probes: a worker that has vanished is noticed after at most 30 s of
silence."""


class Listener:
    """Accepts connections and serves each in a greenlet of its own.

    Without `context` it speaks plain HTTP. With `demands_certificate` every peer has shown a
    certificate of our CA in the handshake. `trusts_proxy` takes address and scheme of a request
    from the proxy before us. `socket_group` may connect to a Unix socket, beside its owner.
    """

    def __init__(
        self,
        address: Address,
        application: Application,
        *,
        context: SSLContext | None = None,
        trusts_proxy: bool = False,
        socket_group: str = "",
    ) -> None:
        """Bind the address.

        Raises Conflict if it is in use, NotAllowed or InvalidInput if it cannot be had.
        """
        self._socket = _bind(address, socket_group)
        self._path = address.path
        self.port: int = 0 if address.path else self._socket.getsockname()[1]
        self._application = application
        self._context = context
        self._demands_certificate = context is not None and context.verify_mode == CERT_REQUIRED
        self._trusts_proxy = trusts_proxy
        self._is_closed = False

        self._connections: dict[HttpConnection, None] = {}  # in the order in which they came
        self._by_source: Counter[str] = Counter()  # addresses, and workers by their ids
        self._greenlets = gevent.pool.Group()
        self._handshakes: dict[gevent.Greenlet[..., object], float] = {}
        """When each began by the monotonic clock, the oldest first."""

        self._most_connections = min(MAX_CONNECTIONS, _descriptors() // 2)
        self._server = StreamServer(self._socket, self._serve)

    def start(self) -> None:
        """Begin to accept."""
        self._server.start()

    def close(self) -> None:
        """Accept no more, and close every connection after the request under way."""
        self._is_closed = True
        self._server.close()
        if self._path:
            Path(self._path).unlink(missing_ok=True)
        for handshake in list(self._handshakes):
            _break_off(handshake)
        for connection in list(self._connections):
            connection.end()

    def join(self, seconds: float) -> None:
        """Wait until all connections are closed.

        Those that are not within `seconds` are broken off.
        """
        if not self._greenlets.join(timeout=seconds):
            log.warning("requests broken off", extra={"connections": len(self._connections)})
        self._greenlets.kill(timeout=1)

    @property
    def open_connections(self) -> int:
        """How many connections are open, idle ones too."""
        return len(self._connections)

    def _serve(self, sock: socket.socket, address: Any) -> None:
        """Run in the connection's own greenlet, so that a slow handshake keeps nobody waiting."""
        if self._is_closed:  # accepted just before
            return

        self._greenlets.add(_current())
        name = _address_name(address)
        source = source_network(name)
        is_limited = not (self._demands_certificate or self._trusts_proxy)
        if (
            is_limited and self._by_source[source] >= MAX_CONNECTIONS_PER_ADDRESS
        ) or not self._has_room():
            log.warning("too many connections", extra={"address": name})
            return

        with self._counted(source):
            self._serve_accepted(sock, name)

    def _serve_accepted(self, sock: socket.socket, name: str) -> None:
        try:
            if not self._path:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._demands_certificate:
                _enable_keepalive(sock)
            self._serve_secured(sock, name)
        except OSError as error:
            log.debug("connection failed", extra={"address": name, "error": str(error)})

    @contextmanager
    def _counted(self, source: str) -> Iterator[None]:
        """Count a connection of an address or a worker while inside."""
        self._by_source[source] += 1
        try:
            yield
        finally:
            self._by_source[source] -= 1
            if not self._by_source[source]:
                del self._by_source[source]

    def _serve_secured(self, sock: socket.socket, name: str) -> None:
        if self._context is None:
            self._serve_requests(
                sock, RemotePeer(name, "http", is_trusted_proxy=self._trusts_proxy)
            )
            return
        with self._shake_hands(sock, self._context) as secured:
            if not self._demands_certificate:
                self._serve_requests(secured, RemotePeer(name, "https"))
                return
            identity = _worker_identity(secured)
            worker_id = identity.worker_id if identity else ""
            if self._by_source[worker_id] >= MAX_CONNECTIONS_PER_WORKER:
                log.warning("too many connections of a worker", extra={"worker_id": worker_id})
                return
            with self._counted(worker_id):
                self._serve_requests(secured, RemotePeer(name, "https", identity))

    def _shake_hands(self, sock: socket.socket, context: SSLContext) -> SSLSocket:
        self._handshakes[_current()] = time.monotonic()
        try:
            with gevent.Timeout(HANDSHAKE_SECONDS, TimeoutError("the TLS handshake took too long")):
                return context.wrap_socket(sock, server_side=True)
        finally:
            self._handshakes.pop(_current(), None)

    def _serve_requests(self, sock: socket.socket, peer: RemotePeer) -> None:
        connection = HttpConnection(sock, peer, self._application)
        self._connections[connection] = None
        try:
            connection.serve()
        finally:
            del self._connections[connection]

    def _has_room(self) -> bool:
        """Return whether one more connection may be served, after ending another if needed.

        First a handshake that takes long, so that whoever connects and says nothing keeps nobody
        out, then a connection that is idle.
        """
        if len(self._greenlets) <= self._most_connections:
            return True
        handshake, began_at = next(iter(self._handshakes.items()), (None, 0.0))
        if handshake and time.monotonic() - began_at >= _QUICK_HANDSHAKE_SECONDS:
            del self._handshakes[handshake]
            _break_off(handshake)
            return True
        idle = next((connection for connection in self._connections if connection.is_idle), None)
        if idle:
            idle.end()
        return idle is not None


def _worker_identity(sock: SSLSocket) -> certificates.WorkerIdentity | None:
    """Return who the verified client certificate names.

    Return None if it is a certificate of ours but no worker's.
    """
    try:
        return certificates.worker_identity(sock.getpeercert(binary_form=True) or b"")
    except NotAuthenticated:
        return None


def _break_off(handshake: gevent.Greenlet[..., object]) -> None:
    """End a handshake by an error at which its socket is closed at once."""
    handshake.kill(ConnectionAbortedError("the handshake was broken off"), block=False)


def _current() -> gevent.Greenlet[..., object]:
    return cast("gevent.Greenlet[..., object]", gevent.getcurrent())


def _descriptors() -> int:
    """Return how many files and sockets this process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _enable_keepalive(sock: socket.socket) -> None:
    """Let the kernel find out within half a minute that a peer's machine or network is gone."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _address_name(address: Any) -> str:
    """Return the peer's IP address without the port, IPv4 always in its own form.

    On a Unix socket it is `local`.
    """
    if not isinstance(address, tuple):
        return "local"
    host: str = address[0]
    return host.removeprefix("::ffff:") if "." in host else host


def check_addresses(addresses: Iterable[Address], group: str) -> None:
    """Raise what listening on these addresses at once would raise; leave nothing behind."""
    with ExitStack() as probes:
        for address in addresses:
            try:
                if address.path:
                    _check_unix(Path(address.path), group)
                else:
                    probes.enter_context(_bind_tcp(address))
            except OSError as error:
                raise _explained(error, address) from error


def _check_unix(path: Path, group: str) -> None:
    if group:
        _group_id(group)
    if not path.parent.is_dir():
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def _bind(address: Address, group: str) -> socket.socket:
    try:
        return _bind_unix(address.path, group) if address.path else _bind_tcp(address)
    except OSError as error:
        raise _explained(error, address) from error


def _bind_tcp(address: Address) -> socket.socket:
    family, kind, protocol, _, target = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]

    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(target)
        sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_unix(path: str, group: str) -> socket.socket:
    """Listen on a Unix socket for the owner and group.

    One that a dead server left behind is replaced.
    """
    group_id = _group_id(group) if group else -1
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)

    try:
        if _is_abandoned(path):
            Path(path).unlink()
        sock.bind(path)
        # The umask has kept others out until now; the group may come in only once it is the right
        # one.
        _give_to_group(path, group, group_id)
        Path(path).chmod(0o660)
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def _group_id(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        if group.isascii() and group.isdigit() and len(group) < 10:
            return int(group)
        raise InvalidInput(
            f"--socket-group {group}: this machine has no such group",
            hint="`getent group` lists those that there are.",
        ) from None


def _give_to_group(path: str, group: str, group_id: int) -> None:
    if group_id < 0:
        return
    try:
        os.chown(path, -1, group_id)
    except PermissionError as error:
        raise NotAllowed(
            f"--socket-group {group}: the server's user may not give {path} to this group",
            hint=f"Add the user to the group; in a systemd unit: SupplementaryGroups={group}.",
        ) from error


def _is_abandoned(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return Path(path).is_socket()
        except OSError:
            return False
    return False


def _explained(error: OSError, address: Address) -> OpsicleError:
    if error.errno == errno.EADDRINUSE:
        return Conflict(
            f"{address} is in use by another program",
            hint="Stop that program, or choose another port.",
        )
    if address.path and error.errno in (
        errno.EACCES,
        errno.EPERM,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EROFS,
    ):
        return NotAllowed(
            f"{address} cannot be made: {error.strerror}",
            hint="Its folder must exist and be writable for the server's user; "
            "in a systemd unit: RuntimeDirectory=.",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotAllowed(
            f"{address} may not be listened on",
            hint="Ports below 1024 are root's: choose a higher one.",
        )
    return InvalidInput(f"{address} cannot be listened on: {error.strerror or error}")
