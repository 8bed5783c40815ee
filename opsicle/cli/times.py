"""Points in time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_AGO = re.compile(r"([0-9]{1,6})\s*(s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def point_in_time(text: str | None) -> str | None:
    """Return a time as the server takes it.

    What is said as an age (`90m`, `7d`) counted back from now.

    Anything else goes to the server as it is, which says what is wrong with it.
    """
    found = _AGO.fullmatch((text or "").strip())
    if not found:
        return text
    return (datetime.now(UTC) - timedelta(seconds=int(found[1]) * _SECONDS[found[2]])).isoformat()
