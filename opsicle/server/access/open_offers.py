"""How many one-time secrets an org may have open.

Each is a way in that somebody must keep an eye on.
"""

from __future__ import annotations

from datetime import datetime

from opsicle.domain.errors import TooManyRequests

MAX_JOIN_TOKENS = 200
MAX_INVITATIONS = 500


def check_open(
    what: str, found: tuple[int, datetime | None], most: int, now: datetime, hint: str
) -> None:
    """Raise TooManyRequests if as many are open as may be.

    `found` is how many there are and when the next one ends.
    """
    count, next_end = found
    if count >= most and next_end is not None:
        wait = max(1, int((next_end - now).total_seconds()) + 1)
        raise TooManyRequests(
            f"this org has {count} open {what}, which is the most", retry_after=wait, hint=hint
        )
