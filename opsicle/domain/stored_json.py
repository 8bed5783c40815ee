"""JSON as it stands in a row, which somebody may have altered behind the server's back.

Whatever shows many rows takes `read_or`, so that one of them hides no other; whatever decides takes `read`, so that
nothing is decided by what cannot be read, and whoever asked hears what is wrong.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

from opsicle.domain.errors import Unreadable

T = TypeVar("T")

CANNOT_BE_READ = "(what is stored of it cannot be read)"
"""Stands in the place of a text that is shown."""


def read(text: str | bytes, kind: type[T], what: str) -> T:
    """Return what stands there. Raises Unreadable, which names `what`."""
    try:
        return cast("T", _decoder(cast("Hashable", kind)).decode(text))
    except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors
        raise Unreadable.of(what) from error


def read_or(text: str | bytes, kind: type[T], default: T) -> T:
    """Return what stands there, or `default` where that cannot be read."""
    try:
        return cast("T", _decoder(cast("Hashable", kind)).decode(text))
    except (ValueError, RecursionError):
        return default


@cache
def _decoder(kind: Hashable) -> msgspec.json.Decoder[Any]:
    """Made once, as msgspec walks through such types; there are only those that the code names."""
    return msgspec.json.Decoder(cast("Any", kind))
