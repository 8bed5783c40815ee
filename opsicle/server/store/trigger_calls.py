"""SQL of how triggers were called, of which the newest are kept."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one


class CallRow(Row, frozen=True):
    """A call and what became of it; `mapped` is JSON, with secrets masked."""

    id: str
    org_id: str
    trigger_id: str
    is_verified: bool
    at: datetime
    outcome: str
    reason: str
    automation_id: str | None
    mapped: str
    body_bytes: int
    body_sha256: str
    address: str
    automation_state: str | None = None


_SELECT = """
    SELECT c.id, c.org_id, c.trigger_id, c.is_verified, c.at, c.outcome, c.reason, c.automation_id,
           c.mapped, c.body_bytes, c.body_sha256, c.address, a.state
      FROM trigger_calls c
      LEFT JOIN automations a ON a.id = c.automation_id
"""


def insert(db: apsw.Connection, row: CallRow) -> None:
    """Record a call."""
    db.execute(
        """
        INSERT INTO trigger_calls (id, org_id, trigger_id, is_verified, at, outcome, reason,
                                   automation_id, mapped, body_bytes, body_sha256, address)
        VALUES (:id, :org_id, :trigger_id, :is_verified, :at, :outcome, :reason, :automation_id,
                :mapped, :body_bytes, :body_sha256, :address)
        """,
        {
            "id": row.id,
            "org_id": row.org_id,
            "trigger_id": row.trigger_id,
            "is_verified": row.is_verified,
            "at": to_text(row.at),
            "outcome": row.outcome,
            "reason": row.reason,
            "automation_id": row.automation_id,
            "mapped": row.mapped,
            "body_bytes": row.body_bytes,
            "body_sha256": row.body_sha256,
            "address": row.address,
        },
    )


def find_newest(db: apsw.Connection, trigger_id: str) -> CallRow | None:
    """Return the newest call that knew a trigger's secret, or None."""
    where = "WHERE c.trigger_id = :id AND c.is_verified = 1 ORDER BY c.id DESC LIMIT 1"
    return fetch_one(db, _SELECT + where, {"id": trigger_id}, CallRow)


def list_newest(db: apsw.Connection, trigger_id: str) -> list[CallRow]:
    """Return the calls of a trigger, newest first."""
    where = "WHERE c.trigger_id = :id ORDER BY c.id DESC"
    return fetch_all(db, _SELECT + where, {"id": trigger_id}, CallRow)


def keep_newest(db: apsw.Connection, trigger_id: str, is_verified: bool, count: int) -> None:
    """Forget the calls of one kind before the newest `count`."""
    db.execute(
        """
        DELETE FROM trigger_calls
         WHERE trigger_id = :id AND is_verified = :is_verified
           AND id <= (SELECT id FROM trigger_calls
                       WHERE trigger_id = :id AND is_verified = :is_verified
                       ORDER BY id DESC LIMIT 1 OFFSET :count)
        """,
        {"id": trigger_id, "is_verified": is_verified, "count": count},
    )


def delete_all(db: apsw.Connection, trigger_id: str) -> None:
    """Forget all calls of a trigger."""
    db.execute("DELETE FROM trigger_calls WHERE trigger_id = :id", {"id": trigger_id})
