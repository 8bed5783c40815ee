"""HTTP over a Unix socket, as a server behind a proxy listens on one."""

from __future__ import annotations

import socket
from typing import cast

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

_HOST = "localhost"
"""What stands in `Host`: the socket has no name of its own."""


class UnixSocketPool(urllib3.HTTPConnectionPool):
    """Kept-alive connections to one socket."""

    def __init__(self, path: str) -> None:
        super().__init__(_HOST)
        self._path = path

    def _new_conn(self) -> HTTPConnection:
        self.num_connections += 1
        return _UnixConnection(self._path, cast("float | None", self.timeout.connect_timeout))


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, seconds: float | None) -> None:
        super().__init__(_HOST, timeout=seconds)
        self._path = path

    def _new_conn(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(self.timeout if isinstance(self.timeout, int | float) else None)
        try:
            sock.connect(self._path)
        except OSError as error:
            sock.close()
            raise NewConnectionError(self, f"{self._path}: {error.strerror}") from error
        return sock
