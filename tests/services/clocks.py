"""A clock that a test sets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """Stands still until it is moved.

    All its times move together, save that `step` sets the time of day alone.
    """

    def __init__(self) -> None:
        self._elapsed = 0.0
        self._suspended = 0.0
        self._start = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.elapsed())

    def monotonic(self) -> float:
        return self._elapsed

    def elapsed(self) -> float:
        return self._elapsed + self._suspended

    def is_steady_since(self, seconds: float) -> bool:
        return True

    def advance(self, seconds: float) -> None:
        self._elapsed += seconds

    def suspend(self, seconds: float) -> None:
        """Let the machine sleep."""
        self._suspended += seconds

    def step(self, seconds: float) -> None:
        """Set the wall clock forward, or back."""
        self._start += timedelta(seconds=seconds)
