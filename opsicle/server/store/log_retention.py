"""SQL of how long an org keeps its logs, and of which jobs' logs may go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from opsicle.domain.automations import AutomationState
from opsicle.server.store.rows import Row, fetch_all, fetch_value, json_list


def find_days(db: apsw.Connection, org_id: str) -> int | None:
    """Return for how many days an org keeps its logs; None: as the server has it."""
    sql = "SELECT log_retention_days FROM orgs WHERE id = :org_id"
    days = fetch_value(db, sql, {"org_id": org_id})
    return None if days is None else int(days)


def find_mib(db: apsw.Connection, org_id: str) -> int | None:
    """Return how much an org wants its logs to take at most; None: as the server lets them."""
    sql = "SELECT max_log_mib FROM orgs WHERE id = :org_id"
    mib = fetch_value(db, sql, {"org_id": org_id})
    return None if mib is None else int(mib)


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
        {"job_ids": json_list(job_ids)},
        JobEnding,
    )
