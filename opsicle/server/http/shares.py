"""What may be under way at once: for one user, for one org, and in all."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from opsicle.domain.errors import TooManyRequests


class Whose(NamedTuple):
    """For whom something is under way."""

    user_id: str
    org_id: str


class Shares:
    """Counts what is under way.

    An org has a share too, so that its own people can be many, and leave room for others.
    """

    def __init__(self, of_user: int, of_org: int, in_all: int) -> None:
        self._of_user, self._of_org, self._in_all = of_user, of_org, in_all
        self._counts: Counter[str] = Counter()
        """By user and by org; their ids are never alike."""

        self._all = 0

    def check(self, whose: Whose, what: str, *, retry_after: int, hint: str) -> None:
        """Raise TooManyRequests if there is no room for one more of `what`."""
        if self._counts[whose.user_id] >= self._of_user:
            subject = "you have"
        elif self._counts[whose.org_id] >= self._of_org:
            subject = "your org has"
        elif self._all >= self._in_all:
            subject = "the server has"
        else:
            return
        raise TooManyRequests(f"{subject} too many {what}", retry_after=retry_after, hint=hint)

    def add(self, whose: Whose) -> None:
        """Count one more."""
        self._all += 1
        for each in whose:
            self._counts[each] += 1

    def remove(self, whose: Whose) -> None:
        """Count one less."""
        self._all -= 1
        for each in whose:
            self._counts[each] -= 1
            if not self._counts[each]:
                del self._counts[each]
