"""Lists as they cross the wire: one page after the other, each naming where the next begins."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

PAGE_SIZE, MAX_PAGE_SIZE = 50, 200
"""Items of a page: unless told otherwise, and at most."""


class Page(msgspec.Struct, Generic[T]):
    """Part of a list.

    Ask again with `?cursor=next_cursor`; an empty cursor means that this was the end.
    """

    items: list[T]
    next_cursor: str = ""
