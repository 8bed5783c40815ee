"""JSON pointers (RFC 6901): where something stands in a JSON document."""

from __future__ import annotations

import re

POINTER = re.compile(r"(/([^~/]|~[01])*)*")
POINTER_RULE = "a JSON pointer, as `/alerts/0/labels/instance`: `~1` stands for `/`, `~0` for `~`"
MAX_POINTER_CHARACTERS = 500

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


def find(document: object, pointer: str) -> object | None:
    """Return what a pointer leads to; None where nothing stands, or `null` does.

    >>> find({"alerts": [{"a/b": 1}]}, "/alerts/0/a~1b")
    1
    """
    place: object | None = document
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(place, dict):
            place = place.get(key)
        elif isinstance(place, list) and _INDEX.fullmatch(key) and int(key) < len(place):
            place = place[int(key)]
        else:
            return None
    return place
