"""Noticing that a peer has closed its connection while its request is still being worked on."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
from gevent import monkey

_READABLE = 1
"""libev's EV_READ."""


@contextmanager
def on_disconnect(sock: socket.socket, call: Callable[[], None]) -> Iterator[None]:
    """Call once, from the event loop, if the peer closes the connection meanwhile.

    A peer whose machine is gone, or whose network is, closes nothing and is not noticed here.
    """
    fileno = sock.fileno()
    watcher = gevent.get_hub().loop.io(fileno, _READABLE)

    def look() -> None:
        watcher.stop()  # what it says meanwhile stays unread, and would wake us for ever
        if _is_closed(fileno):
            call()

    watcher.start(look)
    try:
        yield
    finally:
        watcher.stop()
        watcher.close()


def _is_closed(fileno: int) -> bool:
    poller = monkey.get_original(
        "select", "poll"
    )()  # gevent's own would wait, which nothing on the event loop may
    poller.register(fileno, select.POLLRDHUP)
    return bool(poller.poll(0))
