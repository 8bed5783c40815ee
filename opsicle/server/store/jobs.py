"""SQL of jobs: the attempts to carry out an automation on a worker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from opsicle.domain.automations import JobState
from opsicle.kit.clock import to_text
from opsicle.server.store.automation_transitions import Ending
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value, has_changed, json_list


class JobRow(Row, frozen=True):
    """One job. `automation_fence` tells whether its lease is still the newest.

    `pause_id` is the newest approval that was asked in its midst, `kept_until` until when its
    worker keeps its workspace. `is_plan`: it carries out the plan, before anybody is asked.
    """

    id: str
    org_id: str
    automation_id: str
    worker_id: str
    worker_name: str
    fence: int
    automation_fence: int
    state: JobState
    phases: str
    exit_code: int | None
    explanation: str
    leased_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    is_cancel_requested: bool
    on_worker_lost: str
    pause_id: str | None = None
    kept_until: datetime | None = None
    is_plan: bool = False

    @property
    def is_newest(self) -> bool:
        """Whether no later lease of the automation was given."""
        return self.fence == self.automation_fence


_SELECT = """
    SELECT j.id, j.org_id, j.automation_id, j.worker_id, w.name, j.fence, a.fence, j.state,
           j.phases, j.exit_code, j.explanation, j.leased_at, j.started_at, j.finished_at,
           a.cancel_requested_at IS NOT NULL, a.on_worker_lost, j.pause_id, j.kept_until, j.is_plan
      FROM jobs j
      JOIN automations a ON a.id = j.automation_id
      JOIN workers w ON w.id = j.worker_id
"""

IN_ACTIVE_ORG = """
    NOT EXISTS (SELECT 1 FROM orgs WHERE orgs.id = jobs.org_id AND orgs.suspended_at IS NOT NULL)
"""
"""Nothing of a suspended org begins; asked by the change itself, which costs no statement more."""

_HELD = "j.finished_at IS NULL AND j.state IN ('leased', 'running')"
"""On lease, started or not.

The index is of what has no end, so that the start of a job does not write to it.
"""


def insert(
    db: apsw.Connection, job_id: str, automation_id: str, worker_id: str, at: datetime
) -> None:
    """Record the lease that an automation has just been given, with the automation's fence.

    Its order is to be kept in the same transaction.
    """
    db.execute(
        """
        INSERT INTO jobs (id, org_id, automation_id, worker_id, fence, state, leased_at, is_plan,
                          orders_kept)
        SELECT :id, org_id, id, :worker_id, fence, 'leased', :at, state = 'planning', 1
          FROM automations
         WHERE id = :automation_id
        """,
        {"id": job_id, "automation_id": automation_id, "worker_id": worker_id, "at": to_text(at)},
    )


def find(db: apsw.Connection, job_id: str) -> JobRow | None:
    """Return one job, or None."""
    return fetch_one(db, _SELECT + "WHERE j.id = :id", {"id": job_id}, JobRow)


def list_of_worker(db: apsw.Connection, worker_id: str, job_ids: Sequence[str]) -> list[JobRow]:
    """Return those of these jobs that a worker has, or had."""
    return fetch_all(
        db,
        f"""
        {_SELECT}
         WHERE j.id IN (SELECT value FROM json_each(:job_ids)) AND +j.worker_id = :worker_id
        """,  # noqa: S608 - literals of this file
        {"job_ids": json_list(job_ids), "worker_id": worker_id},
        JobRow,
    )


def list_of_automation(db: apsw.Connection, automation_id: str) -> list[JobRow]:
    """Return all attempts of one automation, oldest first."""
    return fetch_all(
        db, _SELECT + "WHERE j.automation_id = :id ORDER BY j.fence", {"id": automation_id}, JobRow
    )


class JobPhasesRow(Row, frozen=True):
    """How far the phases of a job are, as JSON."""

    id: str
    phases: str


def list_phases(db: apsw.Connection, job_ids: Sequence[str]) -> list[JobPhasesRow]:
    """Return how far the phases of these jobs are, without those that carry out a plan."""
    return fetch_all(
        db,
        """
        SELECT id, phases
          FROM jobs
         WHERE id IN (SELECT value FROM json_each(:job_ids)) AND NOT is_plan
        """,
        {"job_ids": json_list(job_ids)},
        JobPhasesRow,
    )


class AutomationOfJob(Row, frozen=True):
    """A job, and the automation that it carries out."""

    job_id: str
    automation_id: str


def list_newest_of(
    db: apsw.Connection, org_id: str, job_ids: Sequence[str]
) -> list[AutomationOfJob]:
    """Return those of an org's jobs that are the newest of their automations, the newest first."""
    return fetch_all(
        db,
        """
        SELECT j.id, j.automation_id
          FROM jobs j
         WHERE j.id IN (SELECT value FROM json_each(:job_ids)) AND j.org_id = :org_id
           AND NOT EXISTS (SELECT 1 FROM jobs later
                            WHERE later.automation_id = j.automation_id AND later.fence > j.fence)
         ORDER BY j.id DESC
        """,
        {"job_ids": json_list(job_ids), "org_id": org_id},
        AutomationOfJob,
    )


def list_ids(db: apsw.Connection, automation_id: str) -> list[str]:
    """Return the ids of all attempts of one automation."""
    return [
        row[0]
        for row in db.execute(
            "SELECT id FROM jobs WHERE automation_id = :id", {"id": automation_id}
        )
    ]


def list_held(db: apsw.Connection, worker_id: str) -> list[JobRow]:
    """Return the jobs that a worker has on lease, started or not."""
    return fetch_all(
        db,
        _SELECT + f"WHERE j.worker_id = :worker_id AND {_HELD}",
        {"worker_id": worker_id},
        JobRow,
    )


def list_all_held(db: apsw.Connection) -> list[JobRow]:
    """Return every job on lease of the whole server."""
    return fetch_all(db, _SELECT + f"WHERE {_HELD}", {}, JobRow)


def count_held(db: apsw.Connection, worker_id: str) -> int:
    """Return how many jobs a worker has on lease."""
    sql = f"""
        SELECT count(*)
          FROM jobs j
         WHERE j.worker_id = :worker_id AND {_HELD}
    """  # noqa: S608 - a literal
    return int(fetch_value(db, sql, {"worker_id": worker_id}))


def start(db: apsw.Connection, job_id: str, at: datetime) -> bool:
    """Record that a leased job begins.

    Return False if it is no longer on lease, or its org is suspended.
    """
    return has_changed(
        db,
        f"""
        UPDATE jobs
           SET state = 'running', started_at = :at
         WHERE id = :id AND state = 'leased' AND {IN_ACTIVE_ORG}
        """,  # noqa: S608 - a literal of this file
        {"id": job_id, "at": to_text(at)},
    )


def give_back(db: apsw.Connection, job_id: str, at: datetime) -> bool:
    """End a lease that was never started. Return False if it was.

    A job that has paused is given back by `pauses.give_back`.
    """
    return has_changed(
        db,
        "UPDATE jobs SET state = 'returned', finished_at = :at WHERE id = :id AND state = 'leased'",
        {"id": job_id, "at": to_text(at)},
    )


def finish(db: apsw.Connection, job_id: str, ending: Ending, phases: str | None = None) -> bool:
    """Record how a job ended, and its phases as JSON if they are known.

    The truth may replace `unknown`. Return False if it had ended before.
    """
    return has_changed(
        db,
        """
        UPDATE jobs
           SET state = :state, finished_at = :at, exit_code = :exit_code,
               explanation = :explanation, phases = coalesce(:phases, phases)
         WHERE id = :id AND (state = 'running' OR (state = 'unknown' AND :state <> 'unknown'))
        """,
        {
            "id": job_id,
            "state": ending.state,
            "at": to_text(ending.at),
            "exit_code": ending.exit_code,
            "explanation": ending.explanation,
            "phases": phases,
        },
    )


def note_kept(db: apsw.Connection, job_id: str, until: datetime) -> None:
    """Record until when its worker keeps the workspace of a job that has ended."""
    db.execute(
        "UPDATE jobs SET kept_until = :until WHERE id = :id",
        {"id": job_id, "until": to_text(until)},
    )


def explain_unknown(db: apsw.Connection, job_id: str, explanation: str) -> None:
    """Say more of a job of which nobody can say how it ended."""
    db.execute(
        "UPDATE jobs SET explanation = :explanation WHERE id = :id AND state = 'unknown'",
        {"id": job_id, "explanation": explanation},
    )


def record_progress(db: apsw.Connection, job_id: str, phases: str) -> None:
    """Keep how far the phases of a running job are, as JSON.

    Of one that was lost meanwhile the record says how far they were.
    """
    db.execute(
        "UPDATE jobs SET phases = :phases WHERE id = :id AND state = 'running'",
        {"id": job_id, "phases": phases},
    )


def record_phases(db: apsw.Connection, job_id: str, phases: str) -> None:
    """Keep the worker's newest report of the phases, as JSON."""
    db.execute("UPDATE jobs SET phases = :phases WHERE id = :id", {"id": job_id, "phases": phases})
