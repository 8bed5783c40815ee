"""Deliveries go out side by side, each in a greenlet of its own.

None waits for a channel that is slow or down.
"""

from __future__ import annotations

from gevent.pool import Pool

from opsicle.server.channels.sender import DeliverySender

MOST_AT_ONCE = 96
"""The shares of sixteen orgs: each attempt is a connection, and waits for most of its time."""


class DeliveryLoop:
    """Owns the attempts under way.

    `turn` begins what is due; `close` ends all, and the next start repeats it.
    """

    def __init__(self, sender: DeliverySender) -> None:
        self._sender = sender
        self._pool = Pool(MOST_AT_ONCE)

    def turn(self, late_seconds: float = 0.0) -> bool:
        """Begin what is due, and wait for none of it. Return whether some waits for its turn."""
        if late_seconds:
            self._sender.catch_up()
        free = self._pool.free_count()
        for delivery_id in self._sender.claim(free) if free else ():
            self._pool.spawn(self._sender.carry_out, delivery_id)
        return self._sender.has_waiting()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is under way. False if that took too long."""
        return bool(self._pool.join(timeout=seconds))

    def close(self) -> None:
        """End what is under way."""
        self._pool.kill(timeout=1)
