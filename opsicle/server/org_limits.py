"""Limits for each org: how much of a scarce thing it may use, and in which order orgs are served.

So an org that asks for much holds up itself and nobody else.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gevent.event import Event

from opsicle.domain.errors import TooManyRequests

_HINT = "It is this org's share that is used up; others are served meanwhile."


class FairSemaphore:
    """A semaphore that serves the orgs that wait in turn, the oldest request of each first.

    `most_waiting` bounds the queue of one org. A key is an org's id, or "" for all who belong to
    none yet.
    """

    def __init__(self, what: str, at_once: int, most_waiting: int) -> None:
        self._what = what
        self._free = at_once
        self._most_waiting = most_waiting
        self._waiting: OrderedDict[str, deque[Event]] = OrderedDict()

    @contextmanager
    def slot(self, org_id: str) -> Iterator[None]:
        """Hold a slot for this org, after waiting for one.

        Raises TooManyRequests where as many of its own wait as may.
        """
        if self._free:
            self._free -= 1
        else:
            self._wait(org_id)
        try:
            yield
        finally:
            self._release()

    def _wait(self, org_id: str) -> None:
        queue = self._waiting.setdefault(org_id, deque())
        if len(queue) >= self._most_waiting:
            raise TooManyRequests(f"too many {self._what} at once", retry_after=3, hint=_HINT)
        turn = Event()
        queue.append(turn)
        try:
            turn.wait()
        except BaseException:
            self._give_up(org_id, turn)
            raise

    def _give_up(self, org_id: str, turn: Event) -> None:
        """Leave the queue; a turn that has just been given goes on to the next."""
        if turn.is_set():
            self._release()
            return
        queue = self._waiting[org_id]
        queue.remove(turn)
        if not queue:
            del self._waiting[org_id]

    def _release(self) -> None:
        """Give the turn that has ended to the org that has waited longest for one."""
        if not self._waiting:
            self._free += 1
            return
        org_id, queue = self._waiting.popitem(last=False)
        next_one = queue.popleft()
        if queue:
            self._waiting[org_id] = queue  # behind all others
        next_one.set()


class ConcurrencyLimit:
    """At most so many of one org at the same time, without a queue: for what goes on for long."""

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = most
        self._taken: dict[str, int] = {}

    def check(self, org_id: str) -> None:
        """Raise TooManyRequests if this org has no slot left."""
        taken = self._taken.get(org_id, 0)
        if taken >= self._most:
            raise TooManyRequests(
                f"{taken} {self._what} of this org are under way", retry_after=10, hint=_HINT
            )

    @contextmanager
    def slot(self, org_id: str) -> Iterator[None]:
        """Hold a slot for this org. Raises TooManyRequests if there is none."""
        self.check(org_id)
        self._taken[org_id] = self._taken.get(org_id, 0) + 1
        try:
            yield
        finally:
            self._taken[org_id] -= 1
            if not self._taken[org_id]:
                del self._taken[org_id]


class RateLimit:
    """So much in a minute for each org: what is not used gathers up to one minute's worth."""

    def __init__(
        self, what: str, per_minute: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._what = what
        self._per_minute = per_minute
        self._now = now
        self._left: dict[str, tuple[float, float]] = {}

    def consume(self, org_id: str, amount: int) -> None:
        """Use some of it. Raises TooManyRequests with the time after which there is enough."""
        now, rate = self._now(), self._per_minute / 60
        left, at = self._left.get(org_id, (float(self._per_minute), now))
        left = min(left + (now - at) * rate, float(self._per_minute))
        if left < amount:
            wait = max(1, int((amount - left) / rate) + 1)
            raise TooManyRequests(
                f"too many {self._what} in a minute", retry_after=wait, hint=_HINT
            )
        self._forget_full(now, rate)
        self._left[org_id] = (left - amount, now)

    def _forget_full(self, now: float, rate: float) -> None:
        if len(self._left) > _MAX_REMEMBERED:
            self._left = {
                key: (left, at)
                for key, (left, at) in self._left.items()
                if left + (now - at) * rate < self._per_minute
            }


_MAX_REMEMBERED = 1_000
