"""What the worker's main thread waits for.

Signals, a rejection by the server, the end of the last job.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from opsicle.domain.errors import OpsicleError

Event = OpsicleError | int
"""A rejection by the server, `IDLE`, or the number of a signal."""

IDLE = 0
"""No job is held any more."""


class Events:
    """A queue that any thread and any signal handler may put into, at any moment.

    One thread takes out.
    """

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._read_fd, self.wake_fd = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def put(self, event: Event) -> None:
        """Add an event, and wake who waits."""
        self._events.append(event)
        with suppress(BlockingIOError):  # full of earlier ones: whoever waits is awake
            os.write(self.wake_fd, b"\0")

    def get(self, seconds: float | None) -> Event | None:
        """Return the next event, or None if none comes in `seconds`."""
        ends_at = None if seconds is None else time.monotonic() + seconds
        while not self._events:
            left = None if ends_at is None else max(0.0, ends_at - time.monotonic())
            if not select.select([self._read_fd], [], [], left)[0]:
                return None
            with suppress(BlockingIOError):
                os.read(self._read_fd, 4096)
        return self._events.popleft()


@contextmanager
def signals_to(events: Events) -> Iterator[None]:
    """Queue SIGTERM and SIGINT while inside.

    Only the main thread can; in any other, whoever owns the process does.

    The kernel may hand a signal to any thread, and Python runs its handler in the main one, which
    would sleep on: so the signal itself writes to the queue's pipe.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def put(number: int, _frame: FrameType | None) -> None:
        events.put(number)

    wake_before = signal.set_wakeup_fd(events.wake_fd, warn_on_full_buffer=False)
    before = {number: signal.signal(number, put) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wake_before)
