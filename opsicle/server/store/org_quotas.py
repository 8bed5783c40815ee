"""SQL of what the server's operators let an org use, and of how much of it is used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import apsw

from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value


class QuotaRow(Row, frozen=True):
    """What an org may use; None: as the server has it for all, of automations any number."""

    hourly: int | None = None
    log_mib: int | None = None
    artifact_mib: int | None = None


def find(db: apsw.Connection, org_id: str) -> QuotaRow:
    """Return an org's quotas."""
    sql = """
        SELECT hourly_quota, log_quota_mib, artifact_quota_mib FROM orgs WHERE id = :org_id
    """
    return fetch_one(db, sql, {"org_id": org_id}, QuotaRow) or QuotaRow()


def change(db: apsw.Connection, org_id: str, quotas: Mapping[str, int | None]) -> None:
    """Set those that are given, by the names of `QuotaRow`."""
    old = find(db, org_id)
    names = ("hourly", "log_mib", "artifact_mib")
    given = {name: quotas.get(name, getattr(old, name)) for name in names}
    db.execute(
        """
        UPDATE orgs
           SET hourly_quota = :hourly, log_quota_mib = :log_mib, artifact_quota_mib = :artifact_mib
         WHERE id = :org_id
        """,
        {"org_id": org_id, **given},
    )


class LogQuotaRow(Row, frozen=True):
    """How much an org's logs may take."""

    org_id: str
    mib: int


def list_of_logs(db: apsw.Connection) -> list[LogQuotaRow]:
    """Return the orgs whose logs have a quota of their own."""
    sql = "SELECT id, log_quota_mib FROM orgs WHERE log_quota_mib IS NOT NULL"
    return fetch_all(db, sql, {}, LogQuotaRow)


class HourRow(Row, frozen=True):
    """How many automations came after a time, and the time of the first of them."""

    triggered: int
    first_at: datetime | None


def count_since(db: apsw.Connection, org_id: str, lowest_id: str, most: int) -> HourRow:
    """Return how many automations an org has triggered from an id on, the newest `most` of them."""
    row = fetch_one(
        db,
        """
        SELECT count(*), min(created_at)
          FROM (SELECT created_at
                  FROM automations
                 WHERE org_id = :org_id AND id >= :lowest_id
                 ORDER BY id DESC LIMIT :most)
        """,
        {"org_id": org_id, "lowest_id": lowest_id, "most": most},
        HourRow,
    )
    return row or HourRow(0, None)


def triggered_since(db: apsw.Connection, org_id: str, hour: str) -> int:
    """Return how many automations an org has triggered since an hour, as `2026-11-27T17`."""
    sql = """
        SELECT coalesce(sum(triggered), 0)
          FROM automation_hours
         WHERE org_id = :org_id AND hour >= :hour
    """
    return int(fetch_value(db, sql, {"org_id": org_id, "hour": hour}))


class DayRow(Row, frozen=True):
    """How many automations an org has triggered on a day in UTC, as `2026-11-27`."""

    day: str
    triggered: int


def list_days(db: apsw.Connection, org_id: str, since_hour: str) -> list[DayRow]:
    """Return the days since an hour on which an org has triggered something, the oldest first."""
    return fetch_all(
        db,
        """
        SELECT substr(hour, 1, 10) AS day, sum(triggered)
          FROM automation_hours
         WHERE org_id = :org_id AND hour >= :hour
         GROUP BY day
         ORDER BY day
        """,
        {"org_id": org_id, "hour": since_hour},
        DayRow,
    )


class SizeRow(Row, frozen=True):
    """How large an org is, by counters and by indexes of what is few."""

    automations: int
    audit_entries: int
    member_count: int
    worker_count: int
    artifact_bytes: int
    last_activity_at: datetime | None


def size(db: apsw.Connection, org_id: str) -> SizeRow | None:
    """Return an org's size; None if there is no such org. It counts only people and workers."""
    sql = """
        SELECT coalesce((SELECT kept FROM automation_totals WHERE org_id = o.id), 0),
               coalesce((SELECT max(seq) FROM audit_entries WHERE org_id = o.id), 0)
               - coalesce((SELECT removed_to FROM audit_heads WHERE org_id = o.id), 0),
               (SELECT count(*) FROM memberships WHERE org_id = o.id),
               (SELECT count(*) FROM workers
                 WHERE org_id = o.id AND state <> 'revoked' AND NOT is_shared),
               coalesce((SELECT stored FROM content_usage WHERE org_id = o.id), 0),
               (SELECT at FROM audit_entries WHERE org_id = o.id ORDER BY seq DESC LIMIT 1)
          FROM orgs o
         WHERE o.id = :org_id
    """
    return fetch_one(db, sql, {"org_id": org_id}, SizeRow)
