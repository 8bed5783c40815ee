"""Cutting lists into pages. A cursor is the key of the last item that was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from opsicle.domain.errors import InvalidInput, Problem
from opsicle.wire.pages import Page

R = TypeVar("R")
T = TypeVar("T")

_END = 2**53


MAX_PAGE_BYTES = 1024 * 1024
"""As JSON. What people write may be long, and a page of it is made while everybody else waits."""


def page_of(
    rows: Sequence[R],
    limit: int,
    show: Callable[[R], T],
    key: Callable[[R], str],
    is_hidden: Callable[[R], bool] = lambda _: False,
) -> Page[T]:
    """Return a page of at most `limit` items.

    Of fewer if they are large: the one that exceeds `MAX_PAGE_BYTES` is the last. Of fewer, too, if
    some are hidden: they are left out, and the page need not be the last for that.

    One row more than `limit` must have been asked for: it says that there is more.
    """
    shown = rows[:limit]
    return page_of_shown(
        ((key(row), show(row)) for row in shown if not is_hidden(row)),
        key(shown[-1]) if len(rows) > limit else "",
    )


def page_of_shown(shown: Iterable[tuple[str, T]], next_cursor: str) -> Page[T]:
    """Return a page of these items with their keys.

    `next_cursor` is what follows if all of them have room.
    """
    items: list[T] = []
    size, last = 0, ""
    for key, item in shown:
        if size > MAX_PAGE_BYTES:
            return Page(items=items, next_cursor=last)
        items.append(item)
        size, last = size + len(msgspec.json.encode(item)), key
    return Page(items=items, next_cursor=next_cursor)


def position(cursor: str) -> int:
    """Return the number in the cursor of a list that counts down.

    A number above all if it is empty. Raises InvalidInput.
    """
    if not cursor:
        return _END
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 16):
        message = "the cursor is not one of this list"
        raise InvalidInput(message, problems=(Problem("query.cursor", message),))
    return int(cursor)
