"""SQL of queued automations that may begin only within a window.

Those whose window has not opened have a turn of their own, so that no worker's look at the queue
goes through them.
"""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_text, fetch_value, has_changed


class WindowRow(Row, frozen=True):
    """A queued automation whose window opens or closes."""

    id: str
    org_id: str
    requirements: str
    concurrency_key: str | None
    approval_id: str | None


_SELECT = """
    SELECT a.id, a.org_id, a.requirements, a.concurrency_key, p.id
      FROM automations a
      LEFT JOIN approvals p ON p.automation_id = a.id AND p.kind = 'run'
"""


def list_opening(db: apsw.Connection, now: datetime, limit: int) -> list[WindowRow]:
    """Return what waits for a window that is open by now."""
    where = """
        WHERE a.state = 'queued' AND a.job_id IS NULL AND a.turn = 'early' AND a.not_before <= :now
        ORDER BY a.not_before LIMIT :limit
    """
    return fetch_all(db, _SELECT + where, {"now": to_text(now), "limit": limit}, WindowRow)


def list_closing(db: apsw.Connection, now: datetime, limit: int) -> list[WindowRow]:
    """Return what waits although its window has closed."""
    where = """
        WHERE a.state = 'queued' AND a.job_id IS NULL AND a.not_after <= :now
        ORDER BY a.not_after LIMIT :limit
    """
    return fetch_all(db, _SELECT + where, {"now": to_text(now), "limit": limit}, WindowRow)


def find_due_at(db: apsw.Connection) -> str | None:
    """Return when the next window opens or closes for which something waits."""
    opens = """
        SELECT min(not_before)
          FROM automations
         WHERE state = 'queued' AND job_id IS NULL AND turn = 'early'
    """
    closes = """
        SELECT min(not_after)
          FROM automations
         WHERE state = 'queued' AND job_id IS NULL AND not_after IS NOT NULL
    """
    times = fetch_text(db, opens, {}), fetch_text(db, closes, {})
    return min(filter(None, times), default=None)


def open_window(db: apsw.Connection, automation_id: str) -> bool:
    """Let an automation stand in the queue, or in its group. Return False if it stands there."""
    sql = """
        UPDATE automations
           SET turn = CASE WHEN concurrency_key IS NULL THEN 'ready' ELSE 'new' END
         WHERE id = :id AND state = 'queued' AND job_id IS NULL AND turn = 'early'
    """
    return has_changed(db, sql, {"id": automation_id})


def wait_for_window(db: apsw.Connection, automation_id: str) -> bool:
    """Take an automation out of the queue until its window opens. Return False if it has begun."""
    sql = """
        UPDATE automations
           SET turn = 'early'
         WHERE id = :id AND state = 'queued' AND job_id IS NULL
    """
    return has_changed(db, sql, {"id": automation_id})


def expire(db: apsw.Connection, automation_id: str, at: datetime, explanation: str) -> bool:
    """End an automation whose window has closed. Return False if it has begun, or is over."""
    sql = """
        UPDATE automations
           SET state = 'expired', finished_at = :at, explanation = :explanation
         WHERE id = :id AND state = 'queued' AND job_id IS NULL
    """
    given = {"id": automation_id, "at": to_text(at), "explanation": explanation}
    return has_changed(db, sql, given)


def count_early(db: apsw.Connection) -> int:
    """Return how many automations of the whole server wait for their windows to open."""
    sql = """
        SELECT count(*)
          FROM automations
         WHERE state = 'queued' AND job_id IS NULL AND turn = 'early'
    """
    return int(fetch_value(db, sql, {}))
