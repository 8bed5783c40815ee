"""Work that a worker has given back for want of room, and when it is offered it again.

In memory only: a server that starts anew offers it once more.
"""

from __future__ import annotations

from typing import NamedTuple

_FIRST_SECONDS = 30.0
"""For how long after the first time; each further time doubles it."""

_LONGEST_SECONDS = 900.0
"""Somebody has made room, perhaps: a quarter of an hour is what they wait at most."""

_MOST = 100
"""Automations of one worker that are remembered, newest last."""


class PutOff(NamedTuple):
    """How often a worker gave an automation back, and why; `until` is of the monotonic clock."""

    times: int
    until: float
    reason: str


class PutOffs:
    """What one worker has given back, by automation."""

    def __init__(self) -> None:
        self._by_automation: dict[str, PutOff] = {}

    def note(self, automation_id: str, reason: str, now: float) -> None:
        """Put an automation off, each time for twice as long."""
        before = self._by_automation.pop(automation_id, None)
        times = before.times + 1 if before else 1
        seconds = min(_FIRST_SECONDS * 2 ** min(times - 1, 10), _LONGEST_SECONDS)
        while len(self._by_automation) >= _MOST:
            del self._by_automation[next(iter(self._by_automation))]
        self._by_automation[automation_id] = PutOff(times, now + seconds, reason)

    def is_put_off(self, automation_id: str, now: float) -> bool:
        """Return whether a worker is not to be offered an automation yet."""
        found = self._by_automation.get(automation_id)
        return found is not None and now < found.until

    def texts(self, name: str, now: float) -> dict[str, str]:
        """Return why each is not handed to the worker of that name, for people."""
        texts = {}
        for automation_id, each in self._by_automation.items():
            when = f"in {each.until - now:.0f} s" if now < each.until else "now"
            texts[automation_id] = f"{name} gave it back: {each.reason}; once more {when}"
        return texts

    def __len__(self) -> int:
        """Return of how many automations something is noted."""
        return len(self._by_automation)
