"""How far the replica of a standby is behind, looked at again and again while the server runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import gevent

from opsicle.domain.clocks import duration_text
from opsicle.kit.clock import Clock
from opsicle.server import replicas
from opsicle.server.threads import WorkerThread

log = logging.getLogger(__name__)

_STUCK_SECONDS = 30.0
"""A look that takes longer hangs, as a folder on another machine may; what it will find counts as
missing from then on."""


class ReplicaWatch:
    """Knows for how long a replica has lacked something.

    Times are from one look to the next, so a lag may be told too long by the interval, never too
    short by more than that.
    """

    def __init__(
        self, data: Path, replica: Path, remarks: list[str], clock: Clock, beat: Callable[[], None]
    ) -> None:
        """Keep remarks about it among `remarks`; `beat` writes something into the state."""
        self._databases = {name: _Database(data / name, replica) for name in replicas.DATABASES}
        self._remarks = remarks
        self._shown: list[str] = []
        self._clock = clock
        self._beat = beat
        self._began_at = self._now()
        self._beaten_at = 0.0
        self._looking_since: float | None = None
        self._thread = WorkerThread()

    def turn(self) -> None:
        """Look in a thread, and say what is found, or that the last look hangs. Never waits."""
        if self._now() - self._beaten_at >= replicas.BEAT_SECONDS:
            self._beat()
            self._beaten_at = self._now()
        if self._looking_since is None:
            self._looking_since = self._now()
            gevent.spawn(self._look)
        else:
            self._update_remarks()

    def lag_seconds(self) -> Mapping[str, float]:
        """Return for how long each replica has lacked something; 0 if it lacks nothing.

        Until the first look nobody knows, and it counts as lacking something since the start.
        """
        now = self._now()
        stuck_since = self._looking_since or now
        known_until = stuck_since if now - stuck_since > _STUCK_SECONDS else now
        return {
            name: max(0.0, now - min(known_until, self._lacks_since(database) or now))
            for name, database in self._databases.items()
        }

    def close(self) -> None:
        """Let the thread end."""
        self._thread.close()

    def _lacks_since(self, database: _Database) -> float | None:
        return database.lacks_since if database.was_looked_at else self._began_at

    def _look(self) -> None:
        try:
            for database in self._databases.values():
                self._thread.run(database.look, self._now())
                database.was_looked_at = True
        finally:
            self._looking_since = None
        self._update_remarks()

    def _update_remarks(self) -> None:
        late = [
            f"the replica of {name} lacks what was written in the last {duration_text(lag)}"
            for name, lag in self.lag_seconds().items()
            if lag > replicas.LATE_SECONDS
        ]
        if bool(late) != bool(self._shown):
            tell = log.warning if late else log.info
            tell("the replica is behind" if late else "the replica follows again")
        for remark in self._shown:
            if remark in self._remarks:
                self._remarks.remove(remark)
        self._remarks.extend(late)
        self._shown = late

    def _now(self) -> float:
        return self._clock.now().timestamp()


class _Database:
    """One of them, and since when its replica has lacked something."""

    def __init__(self, path: Path, replica: Path) -> None:
        self._path = path
        self._replica = replica
        self._looked_at: float | None = None
        self._marked_at, self._marked_number = 0.0, 0
        self.lacks_since: float | None = None
        self.was_looked_at = False

    def look(self, now: float) -> None:
        """Compare. What cannot be looked at lacks what comes from now on."""
        before, self._looked_at = self._looked_at, now
        try:
            piece = replicas.find_newest(self._replica, self._path.name)
            is_whole = piece is not None and not replicas.has_more(self._path, piece)
        except (OSError, ValueError):
            piece, is_whole = None, False

        number = piece.number if piece else 0
        if is_whole:
            self.lacks_since = None
            return
        if self.lacks_since is None:
            # Of the time before the first look the copy itself says how old it is.
            since = piece.at if piece else now
            self.lacks_since = before if before is not None else min(since, now)
        elif number >= self._marked_number + 2:
            # The second piece from then was begun after the first had been there, and so later than
            # that look: it has all that was written before.
            self.lacks_since = self._marked_at
        elif number >= self._marked_number:
            return
        self._marked_at, self._marked_number = now, number
