"""Messages of RFC 5424 over TLS to a collector, each behind its length (RFC 5425).

That protocol knows no answer. What was written counts as arrived once the collector's system has
acknowledged it and the connection has stood for some seconds after: a collector that dies with
messages unread resets the connection at once, and then all that had not settled is sent again.
"""

from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import termios
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from opsicle.kit.clock import Clock
from opsicle.server.forwarding.events import Event, syslog_message
from opsicle.server.settings import Address

CONFIRMED_AFTER_SECONDS = 5.0
_TIMEOUT_SECONDS = 10.0
"""For a connection, a handshake, or room to write to: who takes longer is tried again later."""

_CLOSE_SECONDS = 0.5


class _Watermark(NamedTuple):
    """So many messages had been acknowledged at this time."""

    sent: int
    at: float


class Syslog:
    """Sends to a collector, whose certificate is checked by `ca_file` or by the system's CAs."""

    name = "syslog"

    def __init__(
        self,
        collector: Address,
        ca_file: Path | None,
        clock: Clock,
        confirmed_after_seconds: float = CONFIRMED_AFTER_SECONDS,
    ) -> None:
        self._collector = collector
        self._ca_file = ca_file
        self._clock = clock
        self._confirmed_after_seconds = confirmed_after_seconds
        self._hostname = socket.gethostname()
        self._connection: ssl.SSLSocket | None = None
        self._sent = self._confirmed = 0
        self._watermarks: deque[_Watermark] = deque()

    def send(self, events: Sequence[Event]) -> None:
        """Write events to the connection, which is made if there is none."""
        if self._connection is None:
            self._connection = self._connect()
        messages = (syslog_message(event, self._hostname) for event in events)
        self._connection.settimeout(_TIMEOUT_SECONDS)
        self._connection.sendall(b"".join(b"%d %b" % (len(each), each) for each in messages))
        self._sent += len(events)

    def confirmed(self) -> int:
        """Return how many messages were acknowledged some time ago on a connection that stands."""
        if self._connection is None:
            return self._confirmed
        _require_open(self._connection)

        now = self._clock.elapsed()
        last = self._watermarks[-1].sent if self._watermarks else self._confirmed
        if self._sent > last and _unacknowledged_bytes(self._connection) == 0:
            self._watermarks.append(_Watermark(self._sent, now))
        while self._watermarks and now - self._watermarks[0].at >= self._confirmed_after_seconds:
            self._confirmed = self._watermarks.popleft().sent
        return self._confirmed

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
        self._sent = self._confirmed = 0
        self._watermarks.clear()

    def end(self) -> None:
        """Say that nothing comes any more (RFC 5425, 4.4), and close the connection."""
        if self._connection is not None:
            self._connection.settimeout(_CLOSE_SECONDS)
            with suppress(OSError):
                self._connection.unwrap()
        self.close()

    def _connect(self) -> ssl.SSLSocket:
        # Made anew each time: the file of CAs may have been replaced.
        context = ssl.create_default_context(cafile=self._ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        address = (self._collector.host, self._collector.port)
        plain = socket.create_connection(address, timeout=_TIMEOUT_SECONDS)
        try:
            # Finds out a collector that is gone without a word, also when there is little to say.
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
            return context.wrap_socket(plain, server_hostname=self._collector.host)
        except OSError:
            plain.close()
            raise


def _require_open(connection: ssl.SSLSocket) -> None:
    """Raise OSError if the collector has closed the connection, or the network has."""
    connection.settimeout(0)
    try:
        received = connection.recv(1024)
    except (ssl.SSLWantReadError, BlockingIOError):
        return
    if not received:
        raise ConnectionResetError("the collector has closed the connection")


def _unacknowledged_bytes(connection: ssl.SSLSocket) -> int:
    """Return how much of what was written the other system has not acknowledged (tcp(7))."""
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    return int(struct.unpack("i", answer)[0])
