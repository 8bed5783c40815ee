"""What is not as it should be on this server, for whoever looks after it.

In its record, and with its health.
"""

from __future__ import annotations

from opsicle.kit.clock import Clock
from opsicle.server.access.actor import SystemActor
from opsicle.server.store import audit
from opsicle.server.store.database import Database


class ServerRemarks:
    """Keeps what was found since the server was started.

    `shown` is public, so it names no org, person or path.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self.shown: list[str] = []

    def note_lost_logs(self, reason: str) -> None:
        """Note that logs are gone, and why."""
        self.shown.append(f"logs were lost: {reason}")
        self._record("lose_logs", {"reason": reason})

    def note_damaged_artifact(self, sha256: str, problem: str) -> None:
        """Note that a file that a job left behind is not there any more as it came."""
        if (remark := f"an artifact is damaged: {problem}") not in self.shown:
            self.shown.append(remark)
        self._record("damage_artifact", {"sha256": sha256, "reason": problem})

    def _record(self, verb: str, data: dict[str, object]) -> None:
        now = self._clock.now()
        self._database.write(
            lambda db: audit.append(db, now, None, SystemActor(), verb, "server", data)
        )
