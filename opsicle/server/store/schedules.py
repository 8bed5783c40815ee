"""SQL of schedules, beside what `documents.py` has of all documents: how far each has come."""

from __future__ import annotations

from datetime import datetime

import apsw
import msgspec

from opsicle.domain.automations import UNFINISHED
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import (
    Row,
    fetch_all,
    fetch_one,
    fetch_text,
    fetch_value,
    is_one_of,
)


class ScheduleRow(Row, frozen=True):
    """How far a schedule has come, and what became of the time before.

    `due_at` is its next time, `start_at` when to start it; None while it is paused, and when there
    are no more. No time up to `done_until` starts anything again.
    """

    id: str
    org_id: str
    name: str
    version: int
    created_at: datetime
    is_paused: bool = False
    due_at: datetime | None = None
    start_at: datetime | None = None
    done_until: datetime | None = None
    last_due_at: datetime | None = None
    last_at: datetime | None = None
    last_outcome: str = ""
    last_reason: str = ""
    last_automation_id: str | None = None
    last_state: str | None = None


class Consumption(msgspec.Struct, frozen=True, kw_only=True):
    """A time of a schedule that is used up, the one after it, and what has come of it."""

    due_at: datetime
    done_until: datetime
    next_due_at: datetime | None
    next_start_at: datetime | None
    at: datetime
    outcome: str
    reason: str = ""
    automation_id: str | None = None


_SELECT = """
    SELECT s.id, s.org_id, s.name, s.latest_version, s.created_at, s.is_paused, s.due_at,
           s.start_at, s.done_until, s.last_due_at, s.last_at, s.last_outcome, s.last_reason,
           s.last_automation_id, a.state
      FROM schedules s
      LEFT JOIN automations a ON a.id = s.last_automation_id
"""


def find(db: apsw.Connection, org_id: str, name: str) -> ScheduleRow | None:
    """Return a schedule of this org, or None if it is absent or deleted."""
    where = "WHERE s.org_id = :org_id AND s.name = :name AND s.deleted_at IS NULL"
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "name": name}, ScheduleRow)


def list_due(db: apsw.Connection, at: datetime, limit: int) -> list[ScheduleRow]:
    """Return the schedules of all orgs that are to be looked at now, the longest due first."""
    return fetch_all(
        db,
        _SELECT + "WHERE s.start_at IS NOT NULL AND s.start_at <= :at ORDER BY s.start_at LIMIT :n",
        {"at": to_text(at), "n": limit},
        ScheduleRow,
    )


def find_due_at(db: apsw.Connection) -> str | None:
    """Return when the first schedule of all orgs is to be looked at."""
    return fetch_text(db, "SELECT min(start_at) FROM schedules WHERE start_at IS NOT NULL", {})


def has_unfinished(db: apsw.Connection, schedule_id: str) -> bool:
    """Return whether something that a schedule has started is not over."""
    sql = f"""
        SELECT EXISTS (SELECT 1 FROM automations
                        WHERE started_by_id = :id AND {is_one_of(UNFINISHED)})
    """  # noqa: S608 - literals of the program
    return bool(fetch_value(db, sql, {"id": schedule_id}))


def plan(
    db: apsw.Connection, schedule_id: str, due_at: datetime | None, start_at: datetime | None
) -> None:
    """Set a schedule's next time, None for none."""
    db.execute(
        """
        UPDATE schedules
           SET due_at = :due_at, start_at = :start_at
         WHERE id = :id AND deleted_at IS NULL
        """,
        {"id": schedule_id, "due_at": _text(due_at), "start_at": _text(start_at)},
    )


def pause(db: apsw.Connection, schedule_id: str, is_paused: bool, at: datetime) -> bool:
    """Pause or resume a schedule. Return False if it was so already; `plan` sets its next time."""
    db.execute(
        """
        UPDATE schedules
           SET is_paused = :is_paused, updated_at = :at
         WHERE id = :id AND is_paused <> :is_paused AND deleted_at IS NULL
        """,
        {"id": schedule_id, "is_paused": is_paused, "at": to_text(at)},
    )
    return db.changes() == 1


def put_off(db: apsw.Connection, row: ScheduleRow, start_at: datetime) -> None:
    """Look at what is due once more, later."""
    db.execute(
        "UPDATE schedules SET start_at = :start_at WHERE id = :id AND due_at = :due_at",
        {"id": row.id, "due_at": _text(row.due_at), "start_at": to_text(start_at)},
    )


def consume(db: apsw.Connection, row: ScheduleRow, used: Consumption) -> bool:
    """Use up the time for which a schedule is due.

    Return False if it has been, or the schedule was paused, deleted or pushed anew meanwhile.
    """
    db.execute(
        """
        UPDATE schedules
           SET due_at = :next_due_at, start_at = :next_start_at, done_until = :done_until,
               last_due_at = :due_at, last_at = :at, last_outcome = :outcome, last_reason = :reason,
               last_automation_id = coalesce(:automation_id, last_automation_id)
         WHERE id = :id
           AND due_at = :due_at
           AND (done_until IS NULL OR done_until < :due_at)
           AND latest_version = :version
           AND NOT is_paused
           AND deleted_at IS NULL
        """,
        {
            "id": row.id,
            "version": row.version,
            "due_at": to_text(used.due_at),
            "done_until": to_text(used.done_until),
            "next_due_at": _text(used.next_due_at),
            "next_start_at": _text(used.next_start_at),
            "at": to_text(used.at),
            "outcome": used.outcome,
            "reason": used.reason,
            "automation_id": used.automation_id,
        },
    )
    return db.changes() == 1


def note(
    db: apsw.Connection,
    schedule_id: str,
    at: datetime,
    outcome: str,
    reason: str,
    automation_id: str | None,
) -> None:
    """Say what has come of a schedule without using up one of its times."""
    db.execute(
        """
        UPDATE schedules
           SET last_due_at = NULL, last_at = :at, last_outcome = :outcome, last_reason = :reason,
               last_automation_id = coalesce(:automation_id, last_automation_id)
         WHERE id = :id AND deleted_at IS NULL
        """,
        {
            "id": schedule_id,
            "at": to_text(at),
            "outcome": outcome,
            "reason": reason,
            "automation_id": automation_id,
        },
    )


def _text(at: datetime | None) -> str | None:
    return to_text(at) if at else None
