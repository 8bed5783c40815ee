"""Telling waiting greenlets that something has changed.

Only an index: who is woken reads the truth from the store.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import gevent
from gevent import get_hub
from gevent.hub import Waiter

_NOTHING: frozenset[str] = frozenset()

_FEW = 3
"""Watchers for whom a caller waits: each takes about a millisecond."""


class Subscription:
    """One waiter's view of its topics: remembers a change that came while it was busy."""

    __slots__ = ("_changed", "_waiter")

    def __init__(self) -> None:
        self._changed = _NOTHING
        self._waiter: Waiter[None] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether somebody waits, and was not woken yet."""
        return self._waiter is not None

    def wait(self, seconds: float) -> frozenset[str]:
        """Wait for a change since the last call.

        Return the topics that changed ("" for whoever is woken without one); none if none did in
        `seconds`.
        """
        if not self._changed:
            self._sleep(seconds)
        changed, self._changed = self._changed, _NOTHING
        return changed

    def wake(self, topic: str = "") -> None:
        """Let the waiter go on."""
        self._changed |= {topic}
        if self._waiter is not None:
            get_hub().loop.run_callback(self._waiter.switch, None)
            self._waiter = None

    def _sleep(self, seconds: float) -> None:
        """Sleep until woken or for so many seconds.

        `Event.wait` would do that, but most waits end by time, and it throws an exception then:
        four times the cost.
        """
        waiter = self._waiter = Waiter()
        timer = get_hub().loop.timer(seconds)
        timer.start(waiter.switch, None, update=True)  # from now on, not since this turn began
        try:
            waiter.get()
        finally:
            self._waiter = None
            timer.close()


class PubSub:
    """Topics that greenlets wait on: an automation's or an org's changes."""

    def __init__(self) -> None:
        self._watches: defaultdict[str, set[Subscription]] = defaultdict(set)

    @contextmanager
    def watch(self, *topics: str) -> Iterator[Subscription]:
        """Be told of every change of `topics` from now on.

        Read the state only after this has begun.
        """
        watch = Subscription()
        for topic in topics:
            self._watches[topic].add(watch)
        try:
            yield watch
        finally:
            for topic in topics:
                self._watches[topic].discard(watch)
                if not self._watches[topic]:
                    del self._watches[topic]

    def count(self, topic: str) -> int:
        """Return how many watch a topic."""
        return len(self._watches.get(topic, ()))

    def changed(self, *topics: str) -> None:
        """Wake all who watch one of these."""
        for topic in topics:
            for watch in self._watches.get(topic, ()):
                watch.wake(topic)

    def let_first(self, *topics: str) -> None:
        """Let the few who watch these, and were just woken, go on before the caller does."""
        if 0 < sum(map(self.count, topics)) <= _FEW:
            gevent.sleep(0)


def automation_topic(automation_id: str) -> str:
    """Return the topic of one automation: its state and its phases."""
    return f"automation/{automation_id}"


def end_topic(automation_id: str) -> str:
    """Return the topic of the end of an automation's job: so it is, or waits for something else."""
    return f"end/{automation_id}"


def log_topic(automation_id: str) -> str:
    """Return the topic of one automation's log: it has grown, and nothing else has changed."""
    return f"log/{automation_id}"


def org_topic(org_id: str) -> str:
    """Return the topic of everything that a list of the org shows."""
    return f"org/{org_id}"
