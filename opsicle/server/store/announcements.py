"""SQL of what those who run the server tell its people."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value


class AnnouncementRow(Row, frozen=True):
    """An announcement; `org_id` None: to all orgs; `ends_at` None: until it is deleted."""

    id: str
    org_id: str | None
    org_code: str | None
    severity: Literal["info", "warning"]
    text: str
    starts_at: datetime
    ends_at: datetime | None
    created_by: str
    created_at: datetime


_SELECT = """
    SELECT a.id, a.org_id, o.code, a.severity, a.text, a.starts_at, a.ends_at, a.created_by,
           a.created_at
      FROM announcements a
      LEFT JOIN orgs o ON o.id = a.org_id
"""


def insert(db: apsw.Connection, row: AnnouncementRow) -> None:
    """Record an announcement."""
    db.execute(
        """
        INSERT INTO announcements
            (id, org_id, severity, text, starts_at, ends_at, created_by, created_at)
        VALUES (:id, :org_id, :severity, :text, :starts_at, :ends_at, :created_by, :created_at)
        """,
        {
            "id": row.id,
            "org_id": row.org_id,
            "severity": row.severity,
            "text": row.text,
            "starts_at": to_text(row.starts_at),
            "ends_at": to_text(row.ends_at) if row.ends_at else None,
            "created_by": row.created_by,
            "created_at": to_text(row.created_at),
        },
    )


def find(db: apsw.Connection, announcement_id: str) -> AnnouncementRow | None:
    """Return an announcement, or None."""
    return fetch_one(db, _SELECT + "WHERE a.id = :id", {"id": announcement_id}, AnnouncementRow)


def list_all(db: apsw.Connection, after: str, limit: int) -> list[AnnouncementRow]:
    """Return announcements of all orgs, the oldest first."""
    sql = _SELECT + "WHERE a.id > :after ORDER BY a.id LIMIT :limit"
    return fetch_all(db, sql, {"after": after, "limit": limit}, AnnouncementRow)


def list_shown(db: apsw.Connection, org_id: str, now: datetime) -> list[AnnouncementRow]:
    """Return what the people of an org are told now: warnings first, then by when they began."""
    sql = (
        _SELECT
        + """
     WHERE (a.org_id IS NULL OR a.org_id = :org_id)
       AND a.starts_at <= :now AND (a.ends_at IS NULL OR a.ends_at > :now)
     ORDER BY a.severity DESC, a.starts_at, a.id
    """
    )
    return fetch_all(db, sql, {"org_id": org_id, "now": to_text(now)}, AnnouncementRow)


def count_open(db: apsw.Connection, now: datetime) -> int:
    """Return how many announcements have not ended."""
    sql = "SELECT count(*) FROM announcements WHERE ends_at IS NULL OR ends_at > :now"
    return int(fetch_value(db, sql, {"now": to_text(now)}))


def delete(db: apsw.Connection, announcement_id: str) -> bool:
    """Remove an announcement. Return False if there was none."""
    db.execute("DELETE FROM announcements WHERE id = :id", {"id": announcement_id})
    return db.changes() == 1


def delete_ended(db: apsw.Connection, before: datetime) -> None:
    """Remove what ended before a time."""
    sql = "DELETE FROM announcements WHERE ends_at <= :before"
    db.execute(sql, {"before": to_text(before)})
