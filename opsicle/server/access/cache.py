"""What the database said a moment ago, for as long as it is sure to be still true.

Every request asks who it is that asks. One process serves the database, so what it has read stays
true until it writes: whoever changes what is remembered calls `invalidate` before answering, and
the next request reads anew.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MAX_ENTRIES = 10_000


class Cache(Generic[K, V]):
    """Answers by key."""

    def __init__(self) -> None:
        self._entries: dict[K, V] = {}
        self._generation = 0

    def get(self, key: K, load: Callable[[], V | None]) -> V | None:
        """Return what `load` said last time for this key; asks it, if that was not yet.

        None is never remembered.
        """
        if key in self._entries:
            return self._entries[key]
        generation = self._generation
        value = load()
        # What was read before a change must not be remembered after it.
        if value is not None and generation == self._generation:
            if len(self._entries) >= MAX_ENTRIES:
                self._entries.clear()
            self._entries[key] = value
        return value

    def invalidate(self) -> None:
        """Remember nothing of what was said until now."""
        self._generation += 1
        self._entries.clear()
