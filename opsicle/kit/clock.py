"""The time, as something that a test can hand in."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

log = logging.getLogger(__name__)

STEP = timedelta(seconds=60)
"""A clock that moves against the count of elapsed seconds by more than this has been set; less is
followed at once."""

_STEP_SECONDS = STEP.total_seconds()

SETTLING_SECONDS = 600.0
"""How long a clock that was set must stay so before it is believed."""


class Clock(Protocol):
    """Tells the time.

    `now` may jump when the machine's clock is set; `monotonic` (seconds) never goes back.
    """

    def now(self) -> datetime:
        """Return the time of day in UTC."""

    def monotonic(self) -> float:
        """Seconds since some moment; only differences mean anything.

        Stands still while the machine is suspended.
        """

    def elapsed(self) -> float:
        """Seconds since some moment, those included in which the machine was suspended."""

    def is_steady_since(self, seconds: float) -> bool:
        """Return whether the time of day has not jumped within the last `seconds`.

        Only what this process saw counts.
        """


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the time of day in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since the machine started, without those in which it was suspended."""
        return time.monotonic()

    def elapsed(self) -> float:
        """Seconds since the machine started."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def is_steady_since(self, seconds: float) -> bool:
        """Return True, since it does not watch itself."""
        return True


class SteadyClock:
    """A clock that does not follow a jump of the machine's clock at once.

    Somebody who sets a clock wrong by hours would otherwise end whatever waits, at once and for
    good. So this one goes on by the count of elapsed seconds, says so in the log, and takes the new
    time once that has stood for `SETTLING_SECONDS`. A jump that is taken back before has never
    been. A new process believes the clock that it finds.
    """

    def __init__(self, source: Clock) -> None:
        self._source = source
        self._trusted_zero = source.now().timestamp() - source.elapsed()
        """In seconds of Unix time, which are compared ten times as fast as dates."""
        self._new_zero: float | None = None
        self._seen_at = self._stepped_at = source.elapsed()
        self._has_stepped = False

    def now(self) -> datetime:
        """Return the time of day in UTC, as far as it is believed."""
        now, elapsed = self._source.now(), self._source.elapsed()
        zero = now.timestamp() - elapsed

        if -_STEP_SECONDS <= zero - self._trusted_zero <= _STEP_SECONDS:
            self._trusted_zero = zero
            if self._new_zero is not None:
                self._forget_step()
            return now

        if self._new_zero is None or abs(zero - self._new_zero) > _STEP_SECONDS:
            self._note_step(zero, elapsed)
        elif elapsed - self._seen_at >= SETTLING_SECONDS:
            log.warning("the machine's new time is taken", extra={"seconds": self._offset(zero)})
            self._trusted_zero, self._new_zero = zero, None
            self._stepped_at = elapsed

        return datetime.fromtimestamp(self._trusted_zero + elapsed, UTC)

    def monotonic(self) -> float:
        """Return what `SystemClock.monotonic` does."""
        return self._source.monotonic()

    def elapsed(self) -> float:
        """Return what `SystemClock.elapsed` does."""
        return self._source.elapsed()

    @property
    def step(self) -> timedelta:
        """How far the machine's clock is from the time that is believed.

        Nothing unless it was set lately.
        """
        if self._new_zero is None:
            return timedelta()
        return timedelta(seconds=self._new_zero - self._trusted_zero)

    def is_steady_since(self, seconds: float) -> bool:
        """Return whether the machine's clock was not set within the last `seconds`.

        Only what this process saw counts.
        """
        self.now()
        return not self._has_stepped or self._source.elapsed() - self._stepped_at >= seconds

    def _offset(self, zero: float) -> int:
        return round(zero - self._trusted_zero)

    def _note_step(self, zero: float, elapsed: float) -> None:
        self._new_zero, self._seen_at, self._stepped_at, self._has_stepped = (
            zero,
            elapsed,
            elapsed,
            True,
        )
        log.error(
            "the machine's clock was set; it is not followed yet",
            extra={"seconds": self._offset(zero), "followed_in_seconds": round(SETTLING_SECONDS)},
        )

    def _forget_step(self) -> None:
        log.warning("the machine's clock was set back to where it had been")
        self._new_zero = None


_last_text: tuple[datetime | None, str] = (None, "")
"""A transaction writes its one time into row after row."""


def to_text(at: datetime) -> str:
    """RFC 3339 in UTC, always with microseconds, so that texts sort as times do."""
    global _last_text  # noqa: PLW0603 - one of any thread's is as good as another's
    before, text = _last_text
    if before is not at:
        in_utc = at.astimezone(UTC).isoformat(timespec="microseconds")
        text = in_utc.removesuffix("+00:00") + "Z"
        _last_text = (at, text)
    return text


def from_text(text: str) -> datetime:
    """Return the inverse of `to_text`."""
    return datetime.fromisoformat(text)
