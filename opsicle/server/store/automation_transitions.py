"""SQL of an automation's way from one state to the next, each guarded by the state it leaves."""

from __future__ import annotations

from datetime import datetime

import apsw
import msgspec

from opsicle.domain.run_windows import RunWindow
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import has_changed
from opsicle.server.store.waiting import waits


class Ending(msgspec.Struct, frozen=True):
    """How an automation or a job ended, or that nobody can say (`unknown`)."""

    state: str
    at: datetime
    exit_code: int | None = None
    explanation: str = ""


def lease(db: apsw.Connection, automation_id: str, before: int, fence: int, job_id: str) -> bool:
    """Give a waiting automation to a job; `before` is the fence before this lease.

    Return False if someone was first, or others of its concurrency group are.
    """
    return has_changed(
        db,
        f"""
        UPDATE automations
           SET fence = :fence, job_id = :job_id
         WHERE id = :id AND {waits()} AND fence = :before
        """,  # noqa: S608 - literals
        {"id": automation_id, "before": before, "fence": fence, "job_id": job_id},
    )


def give_back(db: apsw.Connection, automation_id: str, job_id: str) -> bool:
    """Let an automation wait again whose lease lapsed before it started.

    Return False if it has started, or its lease has passed on.
    """
    return has_changed(
        db,
        """
        UPDATE automations
           SET job_id = NULL
         WHERE id = :id
           AND state IN ('planning', 'queued')
           AND job_id = :job_id
        """,
        {"id": automation_id, "job_id": job_id},
    )


def start(db: apsw.Connection, automation_id: str, job_id: str, at: datetime) -> bool:
    """Record that an automation begins to run, or to plan.

    Return False if it was cancelled, or its lease has passed on.
    """
    return has_changed(
        db,
        """
        UPDATE automations
           SET state = iif(state = 'queued', 'running', state),
               started_at = iif(state = 'queued', :at, started_at)
         WHERE id = :id AND state IN ('planning', 'queued') AND job_id = :job_id
        """,
        {"id": automation_id, "job_id": job_id, "at": to_text(at)},
    )


def finish(db: apsw.Connection, automation_id: str, job_id: str, ending: Ending) -> bool:
    """Record the end that the holder of the newest lease reports; it may replace `unknown`.

    Return False if it had ended before, or its lease has passed on.
    """
    return has_changed(
        db,
        """
        UPDATE automations
           SET state = :state, finished_at = :at, exit_code = :exit_code, explanation = :explanation
         WHERE id = :id AND job_id = :job_id
           AND (state = 'running' OR (state = 'unknown' AND :state <> 'unknown'))
        """,
        {
            "id": automation_id,
            "job_id": job_id,
            "state": ending.state,
            "at": to_text(ending.at),
            "exit_code": ending.exit_code,
            "explanation": ending.explanation,
        },
    )


def requeue(db: apsw.Connection, automation_id: str, job_id: str, at: datetime) -> bool:
    """Let an automation run again whose worker was lost. Return False if it no longer runs.

    The higher fence shuts the old worker out.
    """
    return has_changed(
        db,
        """
        UPDATE automations
           SET state = iif(state = 'running', 'queued', state), job_id = NULL, fence = fence + 1,
               started_at = NULL, queued_at = :at
         WHERE id = :id AND state IN ('planning', 'running') AND job_id = :job_id
        """,
        {"id": automation_id, "job_id": job_id, "at": to_text(at)},
    )


def approve(db: apsw.Connection, automation_id: str, at: datetime, window: RunWindow) -> bool:
    """Queue an automation to which all have agreed, to begin within their window.

    Return False if it no longer waits for that.
    """
    return has_changed(
        db,
        """
        UPDATE automations
           SET state = 'queued', queued_at = :at, approved_at = :at, not_before = :not_before,
               not_after = :not_after, turn = CASE WHEN :is_early THEN 'early' ELSE turn END
         WHERE id = :id AND state = 'awaiting_approval'
        """,
        {
            "id": automation_id,
            "at": to_text(at),
            "not_before": to_text(window.not_before) if window.not_before else None,
            "not_after": to_text(window.not_after) if window.not_after else None,
            "is_early": window.is_early(at),
        },
    )


def end_unapproved(db: apsw.Connection, automation_id: str, ending: Ending) -> bool:
    """End an automation that waits for an approval which will not be given.

    Return False if it does not wait any more.
    """
    return has_changed(
        db,
        """
        UPDATE automations
           SET state = :state, finished_at = :at, explanation = :explanation
         WHERE id = :id AND state = 'awaiting_approval'
        """,
        {
            "id": automation_id,
            "state": ending.state,
            "at": to_text(ending.at),
            "explanation": ending.explanation,
        },
    )


def cancel_waiting(db: apsw.Connection, automation_id: str, user_id: str, at: datetime) -> bool:
    """End an automation that has not started. Return False if it has."""
    return has_changed(
        db,
        """
        UPDATE automations
           SET state = 'cancelled', finished_at = :at, cancel_requested_at = :at,
               cancel_requested_by = :user_id
         WHERE id = :id
           AND (state IN ('awaiting_approval', 'queued')
                OR (state = 'planning'
                    AND NOT EXISTS (SELECT 1 FROM jobs j
                                     WHERE j.id = automations.job_id AND j.state = 'running')))
        """,
        {"id": automation_id, "user_id": user_id, "at": to_text(at)},
    )


def explain_unknown(db: apsw.Connection, automation_id: str, job_id: str, explanation: str) -> None:
    """Say more of an automation whose end is unknown, if this job is its newest."""
    db.execute(
        """
        UPDATE automations
           SET explanation = :explanation
         WHERE id = :id AND state = 'unknown' AND job_id = :job_id
        """,
        {"id": automation_id, "job_id": job_id, "explanation": explanation},
    )


def refuse(
    db: apsw.Connection, automation_id: str, job_id: str | None, at: datetime, explanation: str
) -> bool:
    """End an automation that must not be run; `job_id` is the lease it is under.

    Return False if it has begun.
    """
    return has_changed(
        db,
        """
        UPDATE automations
           SET state = 'cancelled', finished_at = :at, explanation = :explanation
         WHERE id = :id AND state IN ('planning', 'queued') AND job_id IS :job_id
        """,
        {"id": automation_id, "job_id": job_id, "at": to_text(at), "explanation": explanation},
    )


def request_cancel(db: apsw.Connection, automation_id: str, user_id: str, at: datetime) -> bool:
    """Note that a running, planning or paused automation is to be cancelled.

    Return False if it no longer runs, or that was noted before.
    """
    return has_changed(
        db,
        """
        UPDATE automations
           SET cancel_requested_at = :at, cancel_requested_by = :user_id
         WHERE id = :id AND state IN ('planning', 'running', 'paused')
           AND cancel_requested_at IS NULL
        """,
        {"id": automation_id, "user_id": user_id, "at": to_text(at)},
    )
