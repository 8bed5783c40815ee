"""How far a worker's clock may differ from its server's, and how the difference is told."""

from __future__ import annotations

from datetime import UTC, datetime

MAX_CLOCK_OFFSET_SECONDS = 240.0
"""A worker whose clock is off by more is given no work. It refuses orders at 5 minutes
(`replay_guard.CLOCK_SKEW`); the minute between is for what a poll and an answer may take on
their way."""

_UNITS = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def is_off(offset_seconds: float) -> bool:
    """Return whether clocks so far apart would have a worker refuse its orders."""
    return abs(offset_seconds) > MAX_CLOCK_OFFSET_SECONDS


def offset_text(offset_seconds: float) -> str:
    """Return where a clock is that is so many seconds ahead, as in `3 h 5 min ahead of`.

    A negative offset is behind.
    """
    # In whole minutes where that is exact enough: the same difference, measured twice, reads the
    # same.
    distance = abs(offset_seconds)
    distance = round(distance / 60) * 60 if distance > MAX_CLOCK_OFFSET_SECONDS / 2 else distance
    return f"{duration_text(distance)} {'ahead of' if offset_seconds >= 0 else 'behind'}"


def duration_text(seconds: float) -> str:
    """Say how long something is in its two largest units: `6 min`, `3 h 5 min`, `400 days`."""
    left, words = round(seconds), list[str]()
    for name, size in _UNITS:
        count, left = divmod(left, size)
        if count and len(words) < 2:
            words.append(f"{count} {name}{'s' if name == 'day' and count > 1 else ''}")
        elif words:
            break
    return " ".join(words) or "0 s"


def offset_of(sent_at_ms: int, now: datetime) -> float:
    """Return how many seconds ahead of `now` the clock was that said `sent_at_ms`.

    That is in Unix milliseconds.
    """
    return sent_at_ms / 1000 - now.timestamp()


def time_text(at: datetime) -> str:
    """Say a moment as people compare clocks: `2026-11-26 17:52:15 UTC`."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
