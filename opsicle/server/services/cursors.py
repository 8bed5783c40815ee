"""Cutting lists into pages. A cursor is the key of the last item that was shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from opsicle.domain.errors import InvalidInput, Problem
from opsicle.wire.pages import Page

R = TypeVar("R")
T = TypeVar("T")

_END = 2**53


def page_of(rows: Sequence[R], limit: int, show: Callable[[R], T], key: Callable[[R], str]) -> Page[T]:
    """A page of at most `limit` items. One row more than that must have been asked for: it says that there is more."""
    shown = rows[:limit]
    return Page(items=[show(row) for row in shown], next_cursor=key(shown[-1]) if len(rows) > limit else "")


def position(cursor: str) -> int:
    """The number in the cursor of a list that counts down; a number above all if it is empty. Raises InvalidInput."""
    if not cursor:
        return _END
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 16):
        message = "the cursor is not one of this list"
        raise InvalidInput(message, problems=(Problem("query.cursor", message),))
    return int(cursor)
