"""Waiting for several things at once in one thread.

Pipes, ended processes, a cancellation, a deadline.
"""

from __future__ import annotations

import math
import os
import select
import threading
import time
from collections.abc import Callable


class Waiter:
    """Calls back for each file descriptor that has become readable, or whose other end has gone.

    In the order in which they became so: that is how epoll's list of the ready ones is kept, unlike
    poll's.
    """

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._callbacks: dict[int, Callable[[], object]] = {}

    def watch(self, fd: int, callback: Callable[[], object]) -> None:
        """Call `callback` in every turn in which `fd` is readable, until `unwatch`."""
        if fd not in self._callbacks:
            self._poll.register(fd, select.EPOLLIN)
        self._callbacks[fd] = callback

    def unwatch(self, fd: int) -> None:
        """Stop watching `fd`; harmless if it was not watched."""
        if self._callbacks.pop(fd, None):
            self._poll.unregister(fd)

    def turn(self, until: float) -> None:
        """Sleep until something is readable, or the monotonic time is `until`, and call back."""
        left = max(0.0, until - time.monotonic())
        for fd, _ in self._poll.poll(None if math.isinf(left) else left):
            callback = self._callbacks.get(fd)
            if callback:  # a callback before it may have ended this one's watch
                callback()

    def close(self) -> None:
        """Give the kernel's list back; nothing is watched any more."""
        self._callbacks.clear()
        self._poll.close()


class Cancellation:
    """Says that a job is to be cancelled: from any thread, at any time, as often as one likes.

    The running phase is then ended (TERM, 10 s, KILL) and phases with `when: success` no longer
    start; those with `when: failure` or `always` still run, within their own timeouts, and are not
    cut short by a second call.
    """

    def __init__(self) -> None:
        # Reentrant: a signal handler may call `cancel` in the midst of another call of it.
        self._lock = threading.RLock()
        self._requested = False
        self._wake_fd: int | None = None

    @property
    def requested(self) -> bool:
        """Whether anybody has asked for it."""
        return self._requested

    def cancel(self) -> None:
        """Ask for it."""
        with self._lock:
            self._requested = True
            if self._wake_fd is not None:
                os.eventfd_write(self._wake_fd, 1)

    def wake_through(self, eventfd: int | None) -> None:
        """Have `cancel` write to this eventfd from now on (None.

        To nothing, so that it can be closed).
        """
        with self._lock:
            self._wake_fd = eventfd
