"""Something done again and again for as long as the server runs: by the clock, or when woken."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gevent
from gevent.event import Event

from opsicle.kit.clock import Clock, SystemClock

log = logging.getLogger(__name__)

LATE_SECONDS = 5.0
"""A turn that comes this much too late comes from a pause: of the process, the machine, or the loop
of events."""

REST_PER_BUSY_SECOND = 2.0
"""How long a loop that is woken rests for each second in which its turn kept the processor busy."""


def until_next(now: float, seconds: float) -> float:
    """Return how long to wait for a turn `seconds` from now, or up to half a second more or less.

    Turns fall on whole seconds of the clock, so that a server with nothing to do wakes once for all
    its loops.
    """
    grid = min(seconds, 1.0)
    return round((now + seconds) / grid) * grid - now


class Loop:
    """Calls `turn` about every `seconds`.

    Whoever starts it stops it; a turn that fails is logged, the next one tries.

    `turn` is told by how many seconds it comes late, 0 unless that is more than `LATE_SECONDS`:
    meanwhile the server has seen and done nothing, whatever the clocks say, so that what it judges
    by time needs a second look. Time counts by whichever clock went further: one that counts while
    the machine is suspended, or that of the day, which is all that notices when a virtual machine
    stood still.
    """

    def __init__(
        self, name: str, seconds: float, turn: Callable[[float], object], clock: Clock | None = None
    ) -> None:
        self.name = name
        self._seconds = seconds
        self._turn = turn
        self._clock = clock or SystemClock()
        self._is_stopping = self._is_waiting = False
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Begin; the first turn comes after the first wait."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self, seconds: float) -> None:
        """Let the turn under way end, for so many seconds at most."""
        self._is_stopping = True
        if self._greenlet:
            if not self._is_waiting:
                self._greenlet.join(timeout=seconds)
            self._greenlet.kill(timeout=1)

    def _run(self) -> None:
        before = self._clock.elapsed(), self._clock.now()
        while not self._is_stopping:
            # `Event.wait` would do both, but it throws an exception at every time limit, which is
            # most of what an idle server would cost.
            self._is_waiting = True
            gevent.sleep(until_next(self._clock.elapsed(), self._seconds))
            self._is_waiting = False

            # Measured from the beginning of the turn before, so that no moment lies between two
            # turns unmeasured.
            woke = self._clock.elapsed(), self._clock.now()
            passed = max(woke[0] - before[0], (woke[1] - before[1]).total_seconds())
            before, late = woke, passed - self._seconds
            try:
                self._turn(late if late > LATE_SECONDS else 0.0)
            except Exception:
                log.exception("a turn failed", extra={"loop": self.name})


class WokenLoop:
    """Calls `turn` with the keys for which it was woken, as soon as it is.

    So that it takes at most a third of the event loop, however much happens, it rests after each
    turn; what it is woken for meanwhile waits. A turn that fails is logged, and what it was for is
    lost: a `Loop` beside it looks at everything.
    """

    def __init__(self, name: str, turn: Callable[[frozenset[str]], object]) -> None:
        self.name = name
        self._turn = turn
        self._keys: set[str] = set()
        self._woken = Event()
        self._idle = Event()
        self._is_stopping = False
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def wake(self, key: str) -> None:
        """Have a turn taken for this, soon; may be called before it is started."""
        self._keys.add(key)
        self._woken.set()

    def start(self) -> None:
        """Begin, with what it was woken for already."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self, seconds: float) -> None:
        """Let the turn under way end, for so many seconds at most."""
        self._is_stopping = True
        if self._greenlet:
            self._idle.wait(seconds)
            self._greenlet.kill(timeout=1)

    def _run(self) -> None:
        while not self._is_stopping:
            self._idle.set()
            self._woken.wait()
            self._idle.clear()

            self._woken.clear()
            keys, self._keys = frozenset(self._keys), set()
            began_at = time.thread_time()
            try:
                self._turn(keys)
            except Exception:
                log.exception("a turn failed", extra={"loop": self.name})
            self._idle.set()
            gevent.sleep(REST_PER_BUSY_SECOND * (time.thread_time() - began_at))
