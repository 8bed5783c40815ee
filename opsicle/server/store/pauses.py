"""SQL of jobs that wait for people in their midst, and of their automations.

A paused job keeps its worker and has no lease. To go on it is leased anew, under a higher fence.
"""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.automation_transitions import Ending
from opsicle.server.store.jobs import IN_ACTIVE_ORG
from opsicle.server.store.rows import fetch_column, json_list


def pause_job(db: apsw.Connection, job_id: str, fence: int, pause_id: str, phases: str) -> bool:
    """Record that a job waits for people, and how far its phases are.

    It may have been taken for lost meanwhile. Return False if it does not run under this fence.
    """
    db.execute(
        """
        UPDATE jobs
           SET state = 'paused', pause_id = :pause_id, phases = :phases, finished_at = NULL,
               explanation = ''
         WHERE id = :id AND fence = :fence AND state IN ('running', 'unknown')
        """,
        {"id": job_id, "fence": fence, "pause_id": pause_id, "phases": phases},
    )
    return db.changes() == 1


def pause_automation(db: apsw.Connection, automation_id: str, job_id: str) -> bool:
    """Record that an automation waits for people. Return False if its job is another one."""
    db.execute(
        """
        UPDATE automations
           SET state = 'paused', finished_at = NULL, explanation = ''
         WHERE id = :id AND job_id = :job_id AND state IN ('running', 'unknown')
        """,
        {"id": automation_id, "job_id": job_id},
    )
    return db.changes() == 1


def list_decided(db: apsw.Connection, worker_id: str, limit: int) -> list[str]:
    """Return a worker's paused jobs of which has been decided how they go on, oldest first.

    Of those that wait for what they have called: of which all that is over.
    """
    return fetch_column(
        db,
        """
        SELECT j.id
          FROM jobs j
          LEFT JOIN approvals p ON p.id = j.pause_id
         WHERE j.worker_id = :worker_id AND j.finished_at IS NULL AND j.state = 'paused'
           AND p.state IS NOT 'pending'
           AND NOT EXISTS (SELECT 1 FROM calls c
                            WHERE c.wait_id = j.pause_id AND c.state IN ('due', 'started'))
         ORDER BY j.id LIMIT :limit
        """,
        {"worker_id": worker_id, "limit": limit},
    )


def list_known(db: apsw.Connection, worker_id: str, job_ids: Sequence[str]) -> dict[str, bool]:
    """Return which of these jobs are a worker's, and whether each of them may still go on.

    One may not that its worker keeps as paused and that is `unknown` here: it was taken for one
    that went on, as the word of an earlier run of its worker came late.
    """
    rows = db.execute(
        """
        SELECT j.id, j.state IN ('leased', 'running', 'paused')
          FROM json_each(:ids) e
          JOIN jobs j ON j.id = e.value
         WHERE j.worker_id = :worker_id
        """,
        {"worker_id": worker_id, "ids": json_list(job_ids)},
    )
    return {str(job_id): bool(is_open) for job_id, is_open in rows}


def lease(db: apsw.Connection, job_id: str, before: int, fence: int) -> bool:
    """Lease a paused job to its worker under a higher fence. Return False if someone was first."""
    db.execute(
        """
        UPDATE jobs
           SET state = 'leased', fence = :fence, orders_kept = orders_kept + 1
         WHERE id = :id AND fence = :before AND state = 'paused'
        """,
        {"id": job_id, "before": before, "fence": fence},
    )
    return db.changes() == 1


def lease_automation(
    db: apsw.Connection, automation_id: str, job_id: str, before: int, fence: int
) -> bool:
    """Give a paused automation the fence of its job's new lease. Return False if it is not so."""
    db.execute(
        """
        UPDATE automations
           SET fence = :fence
         WHERE id = :id AND job_id = :job_id AND fence = :before AND state = 'paused'
        """,
        {"id": automation_id, "job_id": job_id, "before": before, "fence": fence},
    )
    return db.changes() == 1


def give_back(db: apsw.Connection, job_id: str) -> bool:
    """Let a job wait again whose lease ended before it went on. Return False if it has gone on."""
    db.execute(
        "UPDATE jobs SET state = 'paused' WHERE id = :id AND state = 'leased'", {"id": job_id}
    )
    return db.changes() == 1


def start_job(db: apsw.Connection, job_id: str) -> bool:
    """Record that a leased job goes on.

    Return False if it is no longer on lease, or its org is suspended.
    """
    db.execute(
        f"""
        UPDATE jobs
           SET state = 'running'
         WHERE id = :id AND state = 'leased' AND {IN_ACTIVE_ORG}
        """,  # noqa: S608 - a literal of jobs.py
        {"id": job_id},
    )
    return db.changes() == 1


def start_automation(db: apsw.Connection, automation_id: str, job_id: str) -> bool:
    """Record that a paused automation goes on. Return False if it is over, or another's."""
    db.execute(
        """
        UPDATE automations
           SET state = 'running'
         WHERE id = :id AND state = 'paused' AND job_id = :job_id
        """,
        {"id": automation_id, "job_id": job_id},
    )
    return db.changes() == 1


def end_job(db: apsw.Connection, job_id: str, ending: Ending) -> bool:
    """End a paused job of which nothing more is run. Return False if it does not wait any more."""
    db.execute(
        """
        UPDATE jobs
           SET state = :state, finished_at = :at, exit_code = :exit_code,
               explanation = :explanation
         WHERE id = :id AND state = 'paused'
        """,
        _given(job_id, ending),
    )
    return db.changes() == 1


def end_automation(db: apsw.Connection, automation_id: str, ending: Ending) -> bool:
    """End a paused automation. Return False if it does not wait any more."""
    db.execute(
        """
        UPDATE automations
           SET state = :state, finished_at = :at, exit_code = :exit_code,
               explanation = :explanation
         WHERE id = :id AND state = 'paused'
        """,
        _given(automation_id, ending),
    )
    return db.changes() == 1


def _given(row_id: str, ending: Ending) -> dict[str, str | int | None]:
    return {
        "id": row_id,
        "state": ending.state,
        "at": to_text(ending.at),
        "exit_code": ending.exit_code,
        "explanation": ending.explanation,
    }
