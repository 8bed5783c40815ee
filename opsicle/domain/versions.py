"""Which of two versions of the program is the older one."""

from __future__ import annotations

import re

_RELEASE = re.compile(r"\d{1,6}(\.\d{1,6}){0,3}")


def is_older(version: str, than: str) -> bool:
    """Return whether a version is of an earlier release; False where nobody can say.

    What follows the numbers, as the commit of a build, has no order.

    >>> is_older("0.9.1+3f2a", "0.10.0"), is_older("0.10.0+3f2a", "0.10"), is_older("?", "0.10.0")
    (True, False, False)
    """
    first, second = _release(version), _release(than)
    return bool(first and second) and first < second


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers of a release without zeros at the end, none if there are none."""
    found = _RELEASE.match(version)
    numbers = [int(number) for number in found[0].split(".")] if found else []
    while len(numbers) > 1 and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
