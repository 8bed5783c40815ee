"""How often triggers may be called, each for itself. In memory: a restart begins anew."""

from __future__ import annotations

from collections.abc import Callable

from opsicle.domain.errors import TooManyRequests
from opsicle.domain.triggers import CallRate

_MOST_REMEMBERED = 10_000
_NOTE_EVERY_SECONDS = 60.0


class CallRates:
    """A token bucket for each trigger, which holds as many calls as its rate has."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._left: dict[str, tuple[float, float]] = {}
        self._noted_at: dict[str, float] = {}

    def take(self, trigger_id: str, rate: CallRate) -> None:
        """Count one call. Raises TooManyRequests with the time after which there is room."""
        now, per_second = self._now(), rate.count / rate.seconds
        left, at = self._left.get(trigger_id, (float(rate.count), now))
        left = min(left + (now - at) * per_second, float(rate.count))
        if left < 1:
            raise TooManyRequests(
                f"this trigger takes {rate.count} calls in {rate.seconds} s",
                retry_after=max(1, int((1 - left) / per_second) + 1),
                hint="Its `rate` allows more.",
            )
        if len(self._left) > _MOST_REMEMBERED:
            self._left.clear()
        self._left[trigger_id] = (left - 1, now)

    def should_record(self, trigger_id: str) -> bool:
        """Return whether to say that a trigger is called too often: once in a minute."""
        now = self._now()
        if now - self._noted_at.get(trigger_id, -_NOTE_EVERY_SECONDS) < _NOTE_EVERY_SECONDS:
            return False
        if len(self._noted_at) > _MOST_REMEMBERED:
            self._noted_at.clear()
        self._noted_at[trigger_id] = now
        return True
