"""The orders that this worker has taken up: each counts once, as long as it could."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

CLOCK_SKEW = timedelta(minutes=5)
"""How far the worker's clock and the server's may differ: an order counts that much before and
after its own times."""


class UsedOrder(msgspec.Struct, frozen=True):
    """An order that was taken up. Neither its nonce nor its job's lease will count again."""

    job_id: str
    fence: int
    nonce: str
    expires_at: datetime


class ReplayGuard:
    """What is remembered of them.

    `forgotten_to`: of orders that expired by then, none is remembered or counts.
    """

    def __init__(self) -> None:
        self.forgotten_to: datetime | None = None
        self._by_nonce: dict[str, UsedOrder] = {}
        self._used_leases: set[tuple[str, int]] = set()

    def __iter__(self) -> Iterator[UsedOrder]:
        return iter(self._by_nonce.values())

    def has(self, order: UsedOrder) -> bool:
        """Return whether this order was taken up, or may have been."""
        if self.forgotten_to and order.expires_at <= self.forgotten_to:
            return True
        return order.nonce in self._by_nonce or (order.job_id, order.fence) in self._used_leases

    def add(self, order: UsedOrder) -> None:
        """Remember an order."""
        self._by_nonce[order.nonce] = order
        self._used_leases.add((order.job_id, order.fence))

    def forget(self, now: datetime) -> None:
        """Forget those whose time is over by any clock.

        Should this one be set back later, they still do not count.
        """
        for order in [
            order for order in self._by_nonce.values() if order.expires_at + CLOCK_SKEW < now
        ]:
            del self._by_nonce[order.nonce]
            self._used_leases.discard((order.job_id, order.fence))
            self.forgotten_to = max(self.forgotten_to or order.expires_at, order.expires_at)
