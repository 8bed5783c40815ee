"""SQL of job logs, in a database file of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw
import msgspec

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value


def size(db: apsw.Connection, job_id: str) -> int:
    """Return the length of a job's log in bytes: the offset up to which all is there."""
    sql = "SELECT start + size FROM segments WHERE job_id = :job_id ORDER BY start DESC LIMIT 1"
    return fetch_value(db, sql, {"job_id": job_id}) or 0


class Segment(Row, frozen=True):
    """What one request brought: `size` bytes from offset `start` of the job's log.

    `chunks` are those bytes as they are stored.
    """

    job_id: str
    start: int
    size: int
    chunks: bytes


def append(db: apsw.Connection, org_id: str, segment: Segment, at: datetime) -> None:
    """Add a segment.

    The caller has made sure that it begins where the log ends, and counts it with `add_usage`.
    """
    db.execute(
        """
        INSERT INTO segments (org_id, job_id, start, size, chunks, created_at)
        VALUES (:org_id, :job_id, :start, :size, :chunks, :at)
        """,
        {**msgspec.structs.asdict(segment), "org_id": org_id, "at": to_text(at)},
    )


def add_usage(db: apsw.Connection, org_id: str, stored: int) -> int:
    """Count so many bytes more, or less, as taken by an org's logs; return the new sum."""
    return int(
        fetch_value(
            db,
            """
            INSERT INTO usage (org_id, stored)
            VALUES (:org_id, max(0, :stored))
                ON CONFLICT (org_id) DO UPDATE SET stored = max(0, stored + :stored)
            RETURNING stored
            """,
            {"org_id": org_id, "stored": stored},
        )
    )


class Usage(Row, frozen=True):
    """How many bytes the logs of an org take; "" stands for those of nobody."""

    org_id: str
    stored: int


def list_usage(db: apsw.Connection) -> list[Usage]:
    """Return what the logs of each org take."""
    return fetch_all(db, "SELECT org_id, stored FROM usage", {}, Usage)


def list_from(db: apsw.Connection, job_id: str, offset: int, limit: int) -> list[Segment]:
    """Return up to `limit` segments in order, from the one on that holds the byte at `offset`."""
    return fetch_all(
        db,
        """
        SELECT job_id, start, size, chunks
          FROM segments
         WHERE job_id = :job_id AND start + size > :offset
           AND start >= coalesce((SELECT max(start) FROM segments
                                   WHERE job_id = :job_id AND start <= :offset), 0)
         ORDER BY start LIMIT :limit
        """,
        {"job_id": job_id, "offset": offset, "limit": limit},
        Segment,
    )


def insert_gap(db: apsw.Connection, job_id: str, start: int, size: int) -> None:
    """Note that so many bytes of a log are not here, though its worker has delivered them."""
    db.execute(
        "INSERT OR IGNORE INTO gaps (job_id, start, size) VALUES (?, ?, ?)", (job_id, start, size)
    )


def has_gap(db: apsw.Connection, job_id: str) -> bool:
    """Return whether a part of a job's log is not here."""
    return bool(
        fetch_value(
            db, "SELECT EXISTS (SELECT 1 FROM gaps WHERE job_id = :job_id)", {"job_id": job_id}
        )
    )


def insert_loss(db: apsw.Connection, at: datetime, reason: str) -> None:
    """Note that all logs of before were lost."""
    db.execute("INSERT INTO losses (at, reason) VALUES (?, ?)", (to_text(at), reason))


class LogLoss(Row, frozen=True):
    """All logs of before `at` were lost, and why."""

    at: datetime
    reason: str


def find_loss_after(db: apsw.Connection, at: datetime) -> LogLoss | None:
    """Return the first loss that came after a moment, or None."""
    sql = "SELECT at, reason FROM losses WHERE at >= :at ORDER BY at LIMIT 1"
    return fetch_one(db, sql, {"at": to_text(at)}, LogLoss)


class SegmentPlace(Row, frozen=True):
    """Where a segment is stored, and how many bytes it takes there."""

    rowid: int
    stored: int


def list_oldest(db: apsw.Connection, org_id: str, limit: int) -> list[SegmentPlace]:
    """Return the oldest segments of an org."""
    return fetch_all(
        db,
        """
        SELECT rowid, length(chunks)
          FROM segments
         WHERE org_id = :org_id
         ORDER BY created_at LIMIT :limit
        """,
        {"org_id": org_id, "limit": limit},
        SegmentPlace,
    )


def list_before(db: apsw.Connection, org_id: str, at: datetime, limit: int) -> list[SegmentPlace]:
    """Return the oldest segments of an org that are older than `at`."""
    return fetch_all(
        db,
        """
        SELECT rowid, length(chunks)
          FROM segments
         WHERE org_id = :org_id AND created_at < :at
         ORDER BY created_at LIMIT :limit
        """,
        {"org_id": org_id, "at": to_text(at), "limit": limit},
        SegmentPlace,
    )


def list_of_job(db: apsw.Connection, job_id: str, limit: int) -> list[SegmentPlace]:
    """Return the first segments of a job's log."""
    sql = "SELECT rowid, length(chunks) FROM segments WHERE job_id = :job_id LIMIT :limit"
    return fetch_all(db, sql, {"job_id": job_id, "limit": limit}, SegmentPlace)


def delete(db: apsw.Connection, rowids: Sequence[int]) -> list[Usage]:
    """Remove segments; return what each of them took, to be counted off with `add_usage`."""
    return fetch_all(
        db,
        """
        DELETE FROM segments
         WHERE rowid IN (SELECT value FROM json_each(:rowids))
        RETURNING org_id, length(chunks)
        """,
        {"rowids": msgspec.json.encode(rowids).decode()},
        Usage,
    )


def delete_gaps(db: apsw.Connection, job_id: str) -> None:
    """Forget what of a job's log is not here."""
    db.execute("DELETE FROM gaps WHERE job_id = :job_id", {"job_id": job_id})
