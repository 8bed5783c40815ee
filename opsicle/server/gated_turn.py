"""A loop's turn that looks into the database only where something may have come due.

Several loops look every second for what is due. In a server with nothing to do they find nothing,
and what they cost is all that it costs; so each of them asks first whether anything has changed.
"""

from __future__ import annotations

from collections.abc import Callable

from opsicle.kit.clock import Clock, to_text
from opsicle.server.store.database import Connection, Database

LONGEST_REST_SECONDS = 60.0
"""After which a turn looks again in any case: what rests on a mistake of ours rests no longer."""


class GatedTurn:
    """Calls `turn` where something was committed since its last turn began, or its time has come.

    It does not matter who committed: this server or another process. `turn` says whether it found
    something to do, and then the next turn looks again; so does the one after a turn that failed,
    and one that comes late. `find_due_at` says, as the database has it, when the next of what waits
    for a time is due; that is compared with the clock at every turn, so that a clock that is set is
    followed at once.
    """

    def __init__(
        self,
        turn: Callable[[float], object],
        database: Database,
        clock: Clock,
        find_due_at: Callable[[Connection], str | None] = lambda _: None,
    ) -> None:
        self._turn = turn
        self._database = database
        self._clock = clock
        self._find_due_at = find_due_at

        self._seen_version: int | None = None
        """The database's when the last turn began; None where the next is to look in any case."""
        self._looked_at = 0.0
        self._due_at: str | None = None

    def __call__(self, late_seconds: float) -> None:
        """Take a turn, or find that none is needed. Raises what `turn` does."""
        # Asked before the turn looks, so that what is committed meanwhile opens the next one.
        version = self._database.version()
        if version == self._seen_version and not late_seconds and not self._is_time():
            return

        self._seen_version = None
        self._looked_at = self._clock.elapsed()
        if not self._turn(late_seconds):
            self._due_at = self._database.read(self._find_due_at)
            self._seen_version = version

    def _is_time(self) -> bool:
        if self._clock.elapsed() - self._looked_at >= LONGEST_REST_SECONDS:
            return True
        return self._due_at is not None and self._due_at <= to_text(self._clock.now())
