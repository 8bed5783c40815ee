"""SQL of jobs that wait for templates that they have called, and of what was called.

A trigger of the table notes the end of a called automation, whichever statement ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from opsicle.domain.calls import CallState
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, has_changed


class CallWaitRow(Row, frozen=True):
    """A job that waits at a phase since it ran under this fence.

    `is_after_cancel`: somebody had cancelled it before, so this is a clean-up phase.
    """

    id: str
    org_id: str
    automation_id: str
    job_id: str
    phase: int
    fence: int
    asked_at: datetime
    is_after_cancel: bool = False


class CalledRow(Row, frozen=True):
    """One called template. `is_wanted`: who has called it still waits, and is not being cancelled.

    `automation_state` is that of the automation that was made for it, `worker_id` of the worker
    that holds the job that waits.
    """

    wait_id: str
    position: int
    org_id: str
    template: str
    state: CallState
    reason: str
    automation_id: str | None
    automation_state: str | None
    caller_id: str
    phase: int
    worker_id: str
    is_wanted: bool


_WAIT = """
    SELECT id, org_id, automation_id, job_id, phase, fence, asked_at, is_after_cancel
      FROM call_waits
"""

_IS_WANTED = """
    j.state IN ('paused', 'leased') AND j.pause_id = w.id
    AND (p.cancel_requested_at IS NULL OR w.is_after_cancel)
"""

_SELECT = f"""
    SELECT c.wait_id, c.position, c.org_id, c.template, c.state, c.reason, c.automation_id, a.state,
           w.automation_id, w.phase, j.worker_id, {_IS_WANTED}
      FROM calls c
      JOIN call_waits w ON w.id = c.wait_id
      JOIN jobs j ON j.id = w.job_id
      JOIN automations p ON p.id = w.automation_id
      LEFT JOIN automations a ON a.id = c.automation_id
"""  # noqa: S608 - a literal of this file


def insert_wait(db: apsw.Connection, row: CallWaitRow) -> None:
    """Record that a job waits for what a phase calls."""
    db.execute(
        """
        INSERT INTO call_waits (id, org_id, automation_id, job_id, phase, fence, asked_at,
                                is_after_cancel)
        VALUES (:id, :org_id, :automation_id, :job_id, :phase, :fence, :asked_at, :is_after_cancel)
        """,
        {
            "id": row.id,
            "org_id": row.org_id,
            "automation_id": row.automation_id,
            "job_id": row.job_id,
            "phase": row.phase,
            "fence": row.fence,
            "asked_at": to_text(row.asked_at),
            "is_after_cancel": row.is_after_cancel,
        },
    )


def insert(db: apsw.Connection, wait: CallWaitRow, position: int, template: str) -> None:
    """Record that a template is to be run for a wait."""
    db.execute(
        """
        INSERT INTO calls (wait_id, position, org_id, template, state)
        VALUES (:wait_id, :position, :org_id, :template, 'due')
        """,
        {
            "wait_id": wait.id,
            "position": position,
            "org_id": wait.org_id,
            "template": template,
        },
    )


def find_wait(db: apsw.Connection, wait_id: str) -> CallWaitRow | None:
    """Return a wait, or None."""
    return fetch_one(db, _WAIT + "WHERE id = :id", {"id": wait_id}, CallWaitRow)


def list_of_wait(db: apsw.Connection, wait_id: str) -> Sequence[CalledRow]:
    """Return what a wait is for, in the order of the template."""
    where = "WHERE c.wait_id = :wait_id ORDER BY c.position"
    return fetch_all(db, _SELECT + where, {"wait_id": wait_id}, CalledRow)


def list_of_automation(db: apsw.Connection, automation_id: str) -> Sequence[CalledRow]:
    """Return all that an automation has called, oldest first."""
    where = "WHERE w.automation_id = :id ORDER BY w.fence, c.position"
    return fetch_all(db, _SELECT + where, {"id": automation_id}, CalledRow)


def list_pending(db: apsw.Connection, limit: int) -> Sequence[CalledRow]:
    """Return what is to be run or to be ended, in all orgs, what was called first at the front.

    What just runs is left out: else one org could have so much of it that others' is never reached.
    """
    where = f"""
        WHERE c.state IN ('due', 'started') AND (c.state = 'due' OR NOT ({_IS_WANTED}))
        ORDER BY c.wait_id, c.position LIMIT :limit
    """
    return fetch_all(db, _SELECT + where, {"limit": limit}, CalledRow)


def list_open(db: apsw.Connection, limit: int) -> Sequence[CalledRow]:
    """Return what is to be run, or runs, in all orgs, what was called first before the others."""
    where = "WHERE c.state IN ('due', 'started') ORDER BY c.wait_id, c.position LIMIT :limit"
    return fetch_all(db, _SELECT + where, {"limit": limit}, CalledRow)


def claim(
    db: apsw.Connection, wait_id: str, position: int, automation_id: str, at: datetime
) -> bool:
    """Use a call up for an automation that is made in the same transaction.

    Return False if someone was first, or nobody waits for it any more.
    """
    return has_changed(
        db,
        f"""
        UPDATE calls
           SET state = 'started', automation_id = :automation_id, at = :at
         WHERE wait_id = :wait_id AND position = :position AND state = 'due'
           AND EXISTS (SELECT 1
                         FROM call_waits w
                         JOIN jobs j ON j.id = w.job_id
                         JOIN automations p ON p.id = w.automation_id
                        WHERE w.id = :wait_id AND {_IS_WANTED})
        """,  # noqa: S608 - a literal of this file
        {
            "wait_id": wait_id,
            "position": position,
            "automation_id": automation_id,
            "at": to_text(at),
        },
    )


def refuse(db: apsw.Connection, wait_id: str, position: int, reason: str, at: datetime) -> bool:
    """Record why nothing is run for a call. Return False if something is, or it was refused."""
    return has_changed(
        db,
        """
        UPDATE calls
           SET state = 'refused', reason = :reason, at = :at
         WHERE wait_id = :wait_id AND position = :position AND state = 'due'
        """,
        {"wait_id": wait_id, "position": position, "reason": reason, "at": to_text(at)},
    )
