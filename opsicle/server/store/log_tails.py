"""SQL of the last pieces of logs that the database of logs may not have durably yet."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from opsicle.server.store.rows import Row, fetch_all, json_list


class LogTailRow(Row, frozen=True):
    """The last piece of a job's log; `chunks` as `log_segments.pack_tail` makes them."""

    job_id: str
    org_id: str
    chunks: bytes


def put(db: apsw.Connection, row: LogTailRow) -> None:
    """Keep the last piece of a log; one that was kept before gives way."""
    db.execute(
        "INSERT OR REPLACE INTO log_tails (job_id, org_id, chunks) VALUES (?, ?, ?)",
        (row.job_id, row.org_id, row.chunks),
    )


def list_first(db: apsw.Connection, limit: int) -> list[LogTailRow]:
    """Return some of the pieces."""
    sql = "SELECT job_id, org_id, chunks FROM log_tails ORDER BY job_id LIMIT :limit"
    return fetch_all(db, sql, {"limit": limit}, LogTailRow)


def delete(db: apsw.Connection, job_ids: Sequence[str]) -> None:
    """Forget the pieces of these jobs."""
    db.execute(
        "DELETE FROM log_tails WHERE job_id IN (SELECT value FROM json_each(:job_ids))",
        {"job_ids": json_list(job_ids)},
    )
