"""Opaque identifiers that sort in the order in which they were made."""

from __future__ import annotations

import secrets
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_BITS, _RANDOM_BITS, _DIGIT_BITS = 48, 82, 5
_STEP_BITS = 64
LENGTH = (_TIME_BITS + _RANDOM_BITS) // _DIGIT_BITS

_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_PLACES = range(_TIME_BITS + _RANDOM_BITS - 2 * _DIGIT_BITS, -1, -2 * _DIGIT_BITS)
"""Two digits at once: an id is made for everything that is stored."""


def is_id(text: str) -> bool:
    """Return whether a text is as `new_id` makes them: no path, no address, nothing else."""
    return len(text) == LENGTH and set(text) <= set(_ALPHABET)


class _IdSequence:
    """Numbers that only grow, whatever the clock does."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, milliseconds: int) -> int:
        """Milliseconds, then random bits.

        Within one millisecond, or if the clock went back, a step beyond the last.
        """
        fresh = (milliseconds << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
        is_later = milliseconds > self._last >> _RANDOM_BITS
        self._last = fresh if is_later else self._last + 1 + secrets.randbits(_STEP_BITS)
        return self._last


_sequence = _IdSequence()


def new_id(now: datetime) -> str:
    """Return 26 characters, in the manner of a monotonic ULID (https://github.com/ulid/spec)."""
    return _text(_sequence.next(int(now.timestamp() * 1000)))


def lowest_id(at: datetime) -> str:
    """Return what no id that was made at that time or later is below; earlier ones are."""
    return _text(max(0, int(at.timestamp() * 1000)) << _RANDOM_BITS)


def _text(number: int) -> str:
    return "".join([_PAIRS[(number >> place) & 1023] for place in _PLACES])
