"""What the server's operators let an org use: automations in an hour, bytes of logs and files.

How many automations is asked in the transaction that makes one, so that however many ask at once
none gets past it. How much logs may take is asked for each piece of a log, so those quotas are kept
in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from opsicle.domain.artifacts import MIB
from opsicle.domain.errors import TooManyRequests
from opsicle.kit.clock import Clock
from opsicle.kit.ids import lowest_id
from opsicle.server.access.actor import SystemActor
from opsicle.server.store import audit, jobs, org_quotas
from opsicle.server.store.database import Connection, Database

HOUR = timedelta(hours=1)
LOG_QUOTA_USED = "the org's log quota is used up"
_TRY_EVERY_SECONDS = 5.0
"""How often room is made in the midst of writing a log; what is over in between is truncated."""

_ASK = "Whoever runs the server can allow more."


class LogQuotas:
    """How many bytes the logs of orgs may take that have a quota of their own."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._bytes: dict[str, int] = {}
        self._tried: dict[str, float] = {}
        self.make_room: Callable[[str], object] = lambda _org_id: None
        """Removes the oldest logs of an org that has used up its quota."""
        self.refresh()

    def refresh(self) -> None:
        """Read them anew; to be called when one has changed."""
        rows = self._database.read(org_quotas.list_of_logs)
        self._bytes = {row.org_id: row.mib * MIB for row in rows}

    def of(self, org_id: str) -> int | None:
        """Return an org's quota in bytes, None if it has none of its own."""
        return self._bytes.get(org_id)

    def is_used_up(self, org_id: str, usage_of: Callable[[str], int]) -> bool:
        """Return whether an org's logs take all that they may, after making room if they do."""
        most = self._bytes.get(org_id)
        if most is None or usage_of(org_id) < most:
            return False
        now = self._clock.monotonic()
        if now - self._tried.get(org_id, -_TRY_EVERY_SECONDS) < _TRY_EVERY_SECONDS:
            return True
        self._tried[org_id] = now
        self.make_room(org_id)
        return usage_of(org_id) >= most

    def record_truncation(self, job_id: str, start: int) -> None:
        """Take into the org's record from where on a log is not kept, before it is not."""

        def work(db: Connection) -> None:
            job = jobs.find(db, job_id)
            if job is not None:
                resource = f"automations/{job.automation_id}"
                data = {"job": job_id, "log_bytes": start, "reason": LOG_QUOTA_USED}
                audit.append(
                    db, self._clock.now(), job.org_id, SystemActor(), "truncate", resource, data
                )

        self._database.write(work)


def require_quota(db: Connection, org_id: str, most: int, now: datetime) -> None:
    """Raise TooManyRequests where an org has triggered `most` automations in an hour.

    With the time after which the first of them is an hour old. It looks at no more than the quota.
    """
    found = org_quotas.count_since(db, org_id, lowest_id(now - HOUR), most)
    if found.triggered < most:
        return
    free_at = (found.first_at or now) + HOUR
    raise TooManyRequests(
        f"this org's quota of {most:,} automations an hour is used up",
        retry_after=max(1, int((free_at - now).total_seconds()) + 1),
        hint=f"The next one can be triggered at {free_at:%H:%M} UTC. {_ASK}",
    )


def artifact_bytes(db: Connection, org_id: str, server_bytes: int) -> int:
    """Return how many bytes the files of an org may take."""
    mib = org_quotas.find(db, org_id).artifact_mib
    return server_bytes if mib is None else mib * MIB
