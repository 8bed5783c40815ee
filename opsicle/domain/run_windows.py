"""When what was approved may begin: each approver may say from when, and until when.

What several have said holds together. What has begun goes on, however late it gets.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec


class RunWindow(msgspec.Struct, frozen=True, kw_only=True):
    """From `not_before` on, and before `not_after`; None: from or until any time.

    `opener` and `closer` are who said so.
    """

    not_before: datetime | None = None
    not_after: datetime | None = None
    opener: str = ""
    closer: str = ""

    @classmethod
    def of(cls, not_before: datetime | None, not_after: datetime | None, who: str) -> RunWindow:
        """Return what one person has said."""
        return cls(
            not_before=not_before,
            not_after=not_after,
            opener=who if not_before else "",
            closer=who if not_after else "",
        )

    @property
    def is_empty(self) -> bool:
        """Whether there is no moment in it."""
        return bool(self.not_before and self.not_after and self.not_before >= self.not_after)

    @property
    def times(self) -> tuple[datetime | None, datetime | None]:
        """Both times, without who set them."""
        return self.not_before, self.not_after

    def is_early(self, now: datetime) -> bool:
        """Return whether it has not opened yet."""
        return self.not_before is not None and now < self.not_before

    def is_over(self, now: datetime) -> bool:
        """Return whether it has closed."""
        return self.not_after is not None and now >= self.not_after

    def within(self, other: RunWindow) -> RunWindow:
        """Return what two leave together; of the same time, the first stays who set it."""
        opens, closes = other, other
        if self.not_before and (not other.not_before or self.not_before >= other.not_before):
            opens = self
        if self.not_after and (not other.not_after or self.not_after <= other.not_after):
            closes = self
        return RunWindow(
            not_before=opens.not_before,
            not_after=closes.not_after,
            opener=opens.opener,
            closer=closes.closer,
        )

    @property
    def opening_text(self) -> str:
        """When it opens, and who set that."""
        return _time_text("not before", self.not_before, self.opener)

    @property
    def closing_text(self) -> str:
        """When it closes, and who set that."""
        return _time_text("not after", self.not_after, self.closer)

    @property
    def missed_text(self) -> str:
        """Why what was let begin in it only has not begun."""
        return f"its window closed before it began: {self.closing_text}"

    @property
    def text(self) -> str:
        """All of it; "" if it is always open."""
        return ", ".join(filter(None, (self.opening_text, self.closing_text)))


ALWAYS = RunWindow()


def common_window(windows: Iterable[RunWindow]) -> RunWindow:
    """Return what several leave together."""
    found = ALWAYS
    for window in windows:
        found = found.within(window)
    return found


def _time_text(word: str, at: datetime | None, who: str) -> str:
    by = f" (set by {who})" if who else ""
    return f"{word} {at:%Y-%m-%d %H:%M:%S} UTC{by}" if at else ""
