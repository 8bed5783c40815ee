"""Opaque identifiers that sort by the time they were made."""

from __future__ import annotations

import secrets
from datetime import datetime

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_TIME_BITS, _RANDOM_BITS, _DIGIT_BITS = 48, 82, 5


def new_id(now: datetime) -> str:
    """26 characters: milliseconds, then 82 random bits (the layout of ULID, https://github.com/ulid/spec)."""
    number = (int(now.timestamp() * 1000) << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
    digits = (_TIME_BITS + _RANDOM_BITS) // _DIGIT_BITS
    return "".join(_ALPHABET[(number >> (_DIGIT_BITS * place)) & 31] for place in reversed(range(digits)))
