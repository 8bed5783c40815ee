"""SQL of orgs that are suspended, and of those that are to be deleted."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.domain.automations import UNFINISHED
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import (
    Row,
    fetch_all,
    fetch_column,
    fetch_one,
    fetch_value,
    index_condition,
    is_one_of,
)


class SuspensionRow(Row, frozen=True):
    """Since when an org is suspended and why, and when it is deleted; None: it is not."""

    suspended_at: datetime | None = None
    reason: str = ""
    delete_at: datetime | None = None
    asked_by: str = ""


def find(db: apsw.Connection, org_id: str) -> SuspensionRow:
    """Return how an org stands."""
    sql = """
        SELECT suspended_at, suspended_reason, delete_at, deletion_asked_by
          FROM orgs
         WHERE id = :org_id
    """
    return fetch_one(db, sql, {"org_id": org_id}, SuspensionRow) or SuspensionRow()


def is_suspended(db: apsw.Connection, org_id: str) -> bool:
    """Return whether an org starts nothing."""
    sql = "SELECT suspended_at IS NOT NULL FROM orgs WHERE id = :org_id"
    return bool(fetch_value(db, sql, {"org_id": org_id}))


def put(db: apsw.Connection, org_id: str, row: SuspensionRow) -> None:
    """Set how an org stands."""
    db.execute(
        """
        UPDATE orgs
           SET suspended_at = :suspended_at, suspended_reason = :reason, delete_at = :delete_at,
               deletion_asked_by = :asked_by
         WHERE id = :org_id
        """,
        {
            "org_id": org_id,
            "suspended_at": to_text(row.suspended_at) if row.suspended_at else None,
            "reason": row.reason,
            "delete_at": to_text(row.delete_at) if row.delete_at else None,
            "asked_by": row.asked_by,
        },
    )


def list_due(db: apsw.Connection, now: datetime) -> list[str]:
    """Return the orgs whose time to be deleted has come."""
    sql = "SELECT id FROM orgs WHERE delete_at <= :now ORDER BY delete_at"
    return fetch_column(db, sql, {"now": to_text(now)})


class OpenRow(Row, frozen=True):
    """An automation that has not ended."""

    id: str


def list_uncancelled(db: apsw.Connection, org_id: str, limit: int) -> list[OpenRow]:
    """Return automations of an org that have not ended and that nobody has cancelled yet."""
    return fetch_all(
        db,
        f"""
        SELECT id FROM automations
         WHERE org_id = :org_id AND cancel_requested_at IS NULL
           AND {is_one_of(UNFINISHED)} AND {index_condition(UNFINISHED)}
         LIMIT :limit
        """,  # noqa: S608 - a literal
        {"org_id": org_id, "limit": limit},
        OpenRow,
    )
