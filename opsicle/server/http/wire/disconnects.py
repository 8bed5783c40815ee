"""Noticing that a peer has closed its connection while its request is still being worked on."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

import gevent
from gevent import monkey

_READABLE = 1
"""libev's EV_READ."""


class OnDisconnect:
    """While inside, calls once from the event loop if the peer closes the connection.

    A peer whose machine is gone, or whose network is, closes nothing and is not noticed here.
    """

    def __init__(self, sock: socket.socket, call: Callable[[], None]) -> None:
        self._fileno = sock.fileno()
        self._call = call
        self._watcher = gevent.get_hub().loop.io(self._fileno, _READABLE)

    def __enter__(self) -> None:
        self._watcher.start(self._look)

    def __exit__(self, *_: object) -> None:
        self._watcher.stop()
        self._watcher.close()

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
