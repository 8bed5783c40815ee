"""How long to wait before the next try.

So many who lost the same server do not all come back at once.
"""

from __future__ import annotations

import random

_SOURCE = random.SystemRandom()


class Backoff:
    """Full jitter: each delay is drawn from the whole range up to a ceiling that doubles.

    `shortest` and `longest` are in seconds; no delay is outside them. After
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """

    def __init__(
        self, shortest: float = 0.1, longest: float = 30.0, *, source: random.Random | None = None
    ) -> None:
        self._shortest = shortest
        self._longest = longest
        self._source = source or _SOURCE
        self._ceiling = shortest

    def next_delay(self) -> float:
        """Return the seconds to wait now; the ceiling of the next one is twice as high."""
        self._ceiling = min(self._longest, self._ceiling * 2)
        return self._source.uniform(self._shortest, self._ceiling)

    def reset(self) -> None:
        """Begin again with short delays, as a try went well."""
        self._ceiling = self._shortest


def delay_after(tries: int, shortest: float, longest: float) -> float:
    """Return the seconds to wait after `tries` in vain, for a caller who keeps the count."""
    ceiling = min(longest, shortest * 2 ** min(tries, 32))
    return _SOURCE.uniform(shortest, ceiling)
