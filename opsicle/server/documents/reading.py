"""Reading documents that people push.

Up to some 100 ms of a core each, so by turns, and so much in a minute.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gevent

from opsicle.kit.clock import Clock
from opsicle.server.org_limits import FairSemaphore, RateLimit
from opsicle.server.threads import run_in

T = TypeVar("T")

AT_ONCE = 2
MOST_WAITING = 20
BYTES_PER_MINUTE = 64 * 1024 * 1024
BYTES_OF_EACH = 16 * 1024
"""Added to each document's own, since a small one takes its time too: some 4,000 small ones in a
minute."""


class DocumentReading:
    """The documents of one kind, of every org."""

    def __init__(self, clock: Clock) -> None:
        self._semaphore = FairSemaphore("documents", AT_ONCE, MOST_WAITING)
        self._rate_limit = RateLimit("documents", BYTES_PER_MINUTE, clock.monotonic)

    def read(self, org_id: str, function: Callable[[str], T], source: str) -> T:
        """Call the function with the document where it holds up nobody else.

        Raises TooManyRequests.
        """
        self._rate_limit.consume(org_id, len(source) + BYTES_OF_EACH)
        with self._semaphore.slot(org_id):
            return run_in(gevent.get_hub().threadpool, function, source)
