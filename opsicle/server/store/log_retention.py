"""SQL of how long an org keeps its logs, and of which jobs' logs may go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw
import msgspec

from opsicle.domain.automations import AutomationState
from opsicle.server.store.rows import Row, fetch_all, fetch_one


class LogLimits(Row, frozen=True):
    """For how many days an org keeps logs, and how much they take; None: as the server has it."""

    log_retention_days: int | None = None
    max_log_mib: int | None = None


def find(db: apsw.Connection, org_id: str) -> LogLimits:
    """Return an org's own limits."""
    sql = "SELECT log_retention_days, max_log_mib FROM orgs WHERE id = :org_id"
    return fetch_one(db, sql, {"org_id": org_id}, LogLimits) or LogLimits()


def set_days(db: apsw.Connection, org_id: str, days: int | None) -> None:
    """Set for how many days an org keeps its logs."""
    sql = "UPDATE orgs SET log_retention_days = :days WHERE id = :org_id"
    db.execute(sql, {"org_id": org_id, "days": days})


def set_mib(db: apsw.Connection, org_id: str, mib: int | None) -> None:
    """Set how much an org's logs take at most."""
    sql = "UPDATE orgs SET max_log_mib = :mib WHERE id = :org_id"
    db.execute(sql, {"org_id": org_id, "mib": mib})


class JobEnding(Row, frozen=True):
    """When a job has ended, if it has, and how its automation is."""

    job_id: str
    finished_at: datetime | None
    automation_state: AutomationState


def list_endings(db: apsw.Connection, job_ids: Sequence[str]) -> list[JobEnding]:
    """Return how jobs ended, of those that there are."""
    return fetch_all(
        db,
        """
        SELECT j.id, j.finished_at, a.state
          FROM jobs j
          JOIN automations a ON a.id = j.automation_id
         WHERE j.id IN (SELECT value FROM json_each(:job_ids))
        """,
        {"job_ids": msgspec.json.encode(job_ids).decode()},
        JobEnding,
    )
