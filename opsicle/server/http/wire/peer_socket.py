"""A connection's socket, with short ways for what each request of an idle worker does."""

from __future__ import annotations

import select
from collections.abc import Callable
from typing import Any

import gevent
from gevent import monkey, socket
from gevent.hub import Waiter
from gevent.ssl import SSLSocket

_READABLE = 1
"""libev's EV_READ."""


class PeerSocket:
    """A socket, plain or TLS.

    What it waits for itself, it waits for with one watcher that is kept, and by no exception: both
    were a good part of what a worker cost that waits for work.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._fileno = sock.fileno()
        self._loop = gevent.get_hub().loop
        self._readable = self._loop.io(self._fileno, _READABLE)

    def close(self) -> None:
        """Let go of the socket, which stays open."""
        self._readable.stop()
        self._readable.close()

    def wait_readable(self, seconds: float) -> bool:
        """Wait for bytes, or for the peer to go. Return False if neither came in `seconds`."""
        if isinstance(self._sock, SSLSocket) and self._sock.pending():
            return True  # bytes that the kernel knows nothing of

        waiter: Waiter[bool] = Waiter()
        timer = self._loop.timer(seconds)
        timer.start(waiter.switch, False)
        self._readable.start(waiter.switch, True)
        try:
            return waiter.get()
        finally:
            self._readable.stop()
            timer.close()

    def recv(self, size: int, /) -> bytes:
        """Wait for some bytes; none means that the peer is gone."""
        return self._sock.recv(size)

    def settimeout(self, seconds: float | None, /) -> None:
        """Bound each wait of `recv` and `sendall`."""
        self._sock.settimeout(seconds)

    def shutdown(self, how: int) -> None:
        """Say that nothing more is sent, or taken."""
        self._sock.shutdown(how)

    def sendall(self, data: bytes, /) -> None:
        """Send all of it. Raises TimeoutError if the peer takes too long to take it."""
        # gevent's own asks the kernel each time how much it would take.
        sent = self._sock.send(data)
        if sent < len(data):
            self._sock.sendall(memoryview(data)[sent:])

    def on_disconnect(self, call: Callable[[], None]) -> OnDisconnect:
        """Return a context: while inside, `call` is called once if the peer closes the connection.

        The event loop calls it. A peer whose machine is gone, or whose network is, closes nothing
        and is not noticed here.
        """
        return OnDisconnect(self._readable, self._fileno, call)


class OnDisconnect:
    """While inside, watches whether the peer closes the connection."""

    __slots__ = ("_call", "_fileno", "_watcher")

    def __init__(self, watcher: Any, fileno: int, call: Callable[[], None]) -> None:
        self._watcher, self._fileno, self._call = watcher, fileno, call

    def __enter__(self) -> None:
        self._watcher.start(self._look)

    def __exit__(self, *_: object) -> None:
        self._watcher.stop()

    def _look(self) -> None:
        self._watcher.stop()  # what it says meanwhile stays unread, and would wake us for ever
        if _is_closed(self._fileno):
            self._call()


def _is_closed(fileno: int) -> bool:
    poller = monkey.get_original(
        "select", "poll"
    )()  # gevent's own would wait, which nothing on the event loop may
    poller.register(fileno, select.POLLRDHUP)
    return bool(poller.poll(0))
