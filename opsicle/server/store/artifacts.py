"""SQL of artifacts: the files that jobs left behind, by their paths."""

from __future__ import annotations

from datetime import datetime

import apsw
import msgspec

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value


class ArtifactRow(Row, frozen=True):
    """One file of a job. `problem`: why nothing is kept of it; then `sha256` is None."""

    id: str
    job_id: str
    path: str
    org_id: str
    automation_id: str
    phase: int
    size: int
    sha256: str | None
    problem: str
    created_at: datetime


_SELECT = """
    SELECT a.id, a.job_id, a.path, a.org_id, a.automation_id, a.phase, a.size, a.sha256,
           coalesce(nullif(a.problem, ''), c.problem, ''), a.created_at
      FROM artifacts a
      LEFT JOIN contents c ON c.org_id = a.org_id AND c.sha256 = a.sha256
"""


def insert(db: apsw.Connection, row: ArtifactRow) -> None:
    """Keep a file of a job; one that it left by the same path before is let go."""
    db.execute(
        "DELETE FROM artifacts WHERE job_id = :job_id AND path = :path",
        {"job_id": row.job_id, "path": row.path},
    )
    db.execute(
        """
        INSERT INTO artifacts
            (id, job_id, path, org_id, automation_id, phase, size, sha256, problem, created_at)
        VALUES
            (:id, :job_id, :path, :org_id, :automation_id, :phase, :size, :sha256, :problem, :at)
        """,
        {**msgspec.structs.asdict(row), "at": to_text(row.created_at)},
    )


def list_of_job(db: apsw.Connection, job_id: str) -> list[ArtifactRow]:
    """Return what a job left behind, by path."""
    sql = _SELECT + "WHERE a.job_id = :job_id ORDER BY a.path"
    return fetch_all(db, sql, {"job_id": job_id}, ArtifactRow)


def count_of_job(db: apsw.Connection, job_id: str) -> int:
    """Return how many files of a job are known, kept or not."""
    sql = "SELECT count(*) FROM artifacts WHERE job_id = :job_id"
    return int(fetch_value(db, sql, {"job_id": job_id}))


def find(db: apsw.Connection, job_id: str, path: str) -> ArtifactRow | None:
    """Return one file of a job, or None."""
    sql = _SELECT + "WHERE a.job_id = :job_id AND a.path = :path"
    return fetch_one(db, sql, {"job_id": job_id, "path": path}, ArtifactRow)


def find_by_id(db: apsw.Connection, org_id: str, artifact_id: str) -> ArtifactRow | None:
    """Return one file of an org, or None."""
    sql = _SELECT + "WHERE a.id = :id AND a.org_id = :org_id"
    return fetch_one(db, sql, {"id": artifact_id, "org_id": org_id}, ArtifactRow)


def list_oldest(
    db: apsw.Connection, org_id: str, before: datetime, limit: int
) -> list[ArtifactRow]:
    """Return the oldest files of an org that are kept, of before a time."""
    return fetch_all(
        db,
        _SELECT
        + """
        WHERE a.org_id = :org_id AND a.created_at < :before AND a.sha256 IS NOT NULL
        ORDER BY a.created_at LIMIT :limit
        """,
        {"org_id": org_id, "before": to_text(before), "limit": limit},
        ArtifactRow,
    )


def expire(db: apsw.Connection, job_id: str, path: str, reason: str) -> None:
    """Keep a file no longer; its row goes on to say that it was there."""
    db.execute(
        """
        UPDATE artifacts
           SET sha256 = NULL, problem = :reason
         WHERE job_id = :job_id AND path = :path AND sha256 IS NOT NULL
        """,
        {"job_id": job_id, "path": path, "reason": reason},
    )
