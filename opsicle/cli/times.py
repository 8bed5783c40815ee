"""Points in time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from opsicle.domain.errors import InvalidInput

_SPAN = re.compile(r"([0-9]{1,6})\s*(s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


class PastTime(click.ParamType[str]):
    """A time of the past, or an age; the text as it was typed, which `past_time` reads."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text itself. Raises InvalidInput."""
        try:
            datetime.fromisoformat(past_time(value) or "")
        except (ValueError, OverflowError) as error:
            option = param.opts[0] if param else self.name
            raise InvalidInput(
                f"{option}: {value[:40]!r} is no time",
                hint="Say 10m, 12h or 7d (so long ago), 2026-03-01, or 2026-03-01T12:00:00Z.",
            ) from error
        return value


def past_time(text: str | None) -> str | None:
    """Return a time as the server takes it.

    What is said as an age (`90m`, `7d`) counted back from now.

    Anything else goes to the server as it is, which says what is wrong with it.
    """
    span = _span(text or "")
    return text if span is None else (datetime.now(UTC) - span).isoformat()


def future_time(text: str | None, option: str) -> datetime | None:
    """Return a time of the future, in UTC; None for none.

    What is said as a span (`90m`, `2h`) is counted from now. A time without a zone is one of this
    machine's. Raises InvalidInput.
    """
    if text is None:
        return None
    try:
        if (span := _span(text)) is not None:
            return datetime.now(UTC) + span
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{option}: {text[:40]!r} is no time",
            hint="Say 2026-03-01T22:00:00Z, 2026-03-01 22:00 (in this machine's zone), or 2h.",
        ) from error


def _span(text: str) -> timedelta | None:
    found = _SPAN.fullmatch(text.strip())
    return timedelta(seconds=int(found[1]) * _SECONDS[found[2]]) if found else None
