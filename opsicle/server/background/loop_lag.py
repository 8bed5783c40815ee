"""How long the event loop was held up: by work that should have gone to a thread, or been done in steps.

Whatever holds the loop keeps everybody else waiting, and nothing else shows it: each request's own time looks right.
"""

from __future__ import annotations

from opsicle.kit.clock import Clock

LOOK_EVERY_SECONDS = 0.1
"""Whatever holds the loop for longer is seen for certain, less than that in part of all cases."""


class LoopLag:
    """Measures by how much its own turns come late. `turn` is for a `Loop` of `LOOK_EVERY_SECONDS`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turned_at: float | None = None
        self._worst = 0.0

    def turn(self, _late: float) -> None:
        """Note how late this turn is."""
        now = self._clock.monotonic()
        if self._turned_at is not None:
            self._worst = max(self._worst, now - self._turned_at - LOOK_EVERY_SECONDS)
        self._turned_at = now

    def take(self) -> float:
        """The most since this was asked last, in seconds."""
        worst, self._worst = self._worst, 0.0
        return worst
