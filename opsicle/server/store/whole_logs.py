"""SQL of whole logs of jobs: how much they are, of which time, and which were removed.

They are in the database of logs, as their segments are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw
import msgspec

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_column, fetch_one, json_list


class JobLogRow(Row, frozen=True):
    """A job's log as a whole: its bytes, what they take on disk, the times between which they are.

    Nothing `stored` means that this was not looked up yet, of a log of before it was noted.

    `removed_at` and `removed_by` say when retention has removed it, and which rule.
    """

    job_id: str
    org_id: str
    size: int
    stored: int
    first_ms: int
    last_ms: int
    removed_at: datetime | None = None
    removed_by: str = ""


_OF_JOBS = """
      FROM job_logs
     WHERE job_id IN (SELECT value FROM json_each(:job_ids))
"""
_JOB_LOG = "SELECT job_id, org_id, size, stored, first_ms, last_ms, removed_at, removed_by"


def add(db: apsw.Connection, row: JobLogRow) -> None:
    """Count a segment as a part of its job's log: `size` is where it ends now."""
    db.execute(
        """
        INSERT INTO job_logs (job_id, org_id, size, stored, first_ms, last_ms)
        VALUES (:job_id, :org_id, :size, :stored, :first_ms, :last_ms)
            ON CONFLICT (job_id) DO UPDATE
               SET size = :size, stored = iif(stored = 0, 0, stored + :stored),
                   first_ms = min(first_ms, :first_ms), last_ms = max(last_ms, :last_ms)
        """,
        {**msgspec.structs.asdict(row), "removed_at": None},
    )


def find(db: apsw.Connection, job_id: str) -> JobLogRow | None:
    """Return a job's log as a whole, None if it has printed nothing."""
    sql = _JOB_LOG + " FROM job_logs WHERE job_id = :job_id"
    return fetch_one(db, sql, {"job_id": job_id}, JobLogRow)


def list_kept(db: apsw.Connection, org_id: str, after_id: str, limit: int) -> list[JobLogRow]:
    """Return an org's logs of jobs after an id, the oldest first."""
    return fetch_all(
        db,
        _JOB_LOG
        + """
          FROM job_logs
         WHERE org_id = :org_id AND removed_at IS NULL AND job_id > :after_id
         ORDER BY job_id LIMIT :limit
        """,
        {"org_id": org_id, "after_id": after_id, "limit": limit},
        JobLogRow,
    )


def list_of_jobs(db: apsw.Connection, job_ids: Sequence[str]) -> list[JobLogRow]:
    """Return the logs of jobs, the oldest first."""
    return fetch_all(
        db,
        _JOB_LOG + _OF_JOBS + "ORDER BY job_id",
        {"job_ids": json_list(job_ids)},
        JobLogRow,
    )


def note_removal(db: apsw.Connection, job_ids: Sequence[str], at: datetime, rule: str) -> None:
    """Note that logs are removed from now on, and by which rule."""
    db.execute(
        """
        UPDATE job_logs
           SET removed_at = :at, removed_by = :rule, stored = max(stored, 1)
         WHERE job_id IN (SELECT value FROM json_each(:job_ids)) AND removed_at IS NULL
        """,
        {"job_ids": json_list(job_ids), "at": to_text(at), "rule": rule},
    )


def list_leaving(db: apsw.Connection, limit: int) -> list[str]:
    """Return jobs whose logs are removed, and of which segments may be left."""
    sql = "SELECT job_id FROM job_logs WHERE removed_at IS NOT NULL AND stored > 0 LIMIT :limit"
    return fetch_column(db, sql, {"limit": limit})


def note_gone(db: apsw.Connection, job_ids: Sequence[str]) -> None:
    """Note that nothing is left of logs that are removed."""
    db.execute(
        """
        UPDATE job_logs
           SET stored = 0
         WHERE job_id IN (SELECT value FROM json_each(:job_ids)) AND removed_at IS NOT NULL
        """,
        {"job_ids": json_list(job_ids)},
    )


def delete(db: apsw.Connection, job_id: str) -> None:
    """Forget a job's log as a whole, when nothing of it is left."""
    db.execute("DELETE FROM job_logs WHERE job_id = :job_id", {"job_id": job_id})


def note_size(db: apsw.Connection, job_id: str) -> None:
    """Look up how much a log of before is, and note it."""
    db.execute(
        """
        UPDATE job_logs
           SET (size, stored) = (SELECT max(start + size), sum(length(chunks))
                                   FROM segments
                                  WHERE job_id = :job_id)
         WHERE job_id = :job_id AND stored = 0 AND removed_at IS NULL
           AND EXISTS (SELECT 1 FROM segments WHERE job_id = :job_id)
        """,
        {"job_id": job_id},
    )


class LogsOfTime(Row, frozen=True):
    """What an org's logs of a time come to: their bytes, and the first job among them.

    `unknown` of them were not looked up yet.
    """

    size: int
    first_job_id: str
    unknown: int


_OF_TIME = """
      FROM job_logs
     WHERE org_id = :org_id AND removed_at IS NULL
       AND last_ms >= :since_ms AND first_ms < :until_ms
"""


def measure_time(db: apsw.Connection, org_id: str, since_ms: int, until_ms: int) -> LogsOfTime:
    """Return what the logs of a time come to. Goes through all of the org's logs."""
    row = fetch_one(
        db,
        "SELECT coalesce(sum(size), 0), coalesce(min(job_id), ''), count(iif(stored = 0, 1, NULL))"
        + _OF_TIME,
        {"org_id": org_id, "since_ms": since_ms, "until_ms": until_ms},
        LogsOfTime,
    )
    return row or LogsOfTime(0, "", 0)


def list_of_time(
    db: apsw.Connection,
    org_id: str,
    times_ms: tuple[int, int],
    jobs: tuple[str, str],
    limit: int,
) -> list[JobLogRow]:
    """Return logs that have something of a time, the newest job's first.

    They are of jobs from the first to the second of `jobs`, both included.
    """
    return fetch_all(
        db,
        _JOB_LOG
        + _OF_TIME
        + "AND job_id BETWEEN :first AND :last ORDER BY job_id DESC LIMIT :limit",
        {
            "org_id": org_id,
            "since_ms": times_ms[0],
            "until_ms": times_ms[1],
            "first": jobs[0],
            "last": jobs[1],
            "limit": limit,
        },
        JobLogRow,
    )
