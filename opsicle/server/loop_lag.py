"""How long the event loop was held up.

By work that should have gone to a thread, or been done in steps.

Whatever holds the loop keeps everybody else waiting, and nothing else shows it: each request's own
time looks right.
"""

from __future__ import annotations

import time

from gevent import get_hub

_FIRST, _LAST = 2, -2
"""The highest and the lowest priority of libev's watchers."""


class LoopLag:
    """Measures every turn of the event loop, from where it wakes to where it waits again.

    Costs a microsecond a turn, and wakes nobody: a server with nothing to do stays asleep.
    """

    def __init__(self) -> None:
        loop = get_hub().loop
        self._waking = loop.check(ref=False, priority=_FIRST)  # before all that is done in a turn,
        self._waits = loop.prepare(ref=False, priority=_LAST)  # and behind it
        self._woken_at: float | None = None
        self._worst = 0.0

    def start(self) -> None:
        """Begin to measure the loop of the thread in which this was made."""
        self._waking.start(self._note_waking)
        self._waits.start(self._note_waits)

    def stop(self) -> None:
        """Measure no more; harmless if it was not begun."""
        for watcher in (self._waking, self._waits):
            watcher.stop()
            watcher.close()

    def take(self) -> float:
        """Return the longest turn since this was asked last, in seconds."""
        worst, self._worst = self._worst, 0.0
        return worst

    def _note_waking(self) -> None:
        self._woken_at = time.monotonic()

    def _note_waits(self) -> None:
        if self._woken_at is not None:
            self._worst = max(self._worst, time.monotonic() - self._woken_at)
            self._woken_at = None
