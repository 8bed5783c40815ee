"""SQL of job logs, in a database file of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw
import msgspec

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value, json_list


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


class SegmentLines(Row, frozen=True):
    """Which lines of a job's log begin in a segment.

    `lines_before` begin before it, `lines` in it, `error_lines` of those on stderr, between the two
    times in Unix milliseconds. `open_lines` have no end at its end, packed by `LineCount`.
    """

    job_id: str
    start: int
    size: int
    lines_before: int
    lines: int
    error_lines: int
    first_ms: int
    last_ms: int
    open_lines: bytes

    @property
    def end(self) -> int:
        """Where the next segment begins, if nothing is missing."""
        return self.start + self.size

    @property
    def lines_up_to(self) -> int:
        """The number of the last line that has begun with it."""
        return self.lines_before + self.lines


_SELECT_LINES = """
    SELECT job_id, start, size, lines_before, lines, error_lines, first_ms, last_ms, open_lines
      FROM segment_lines
"""


def insert_lines(db: apsw.Connection, rows: Sequence[SegmentLines]) -> None:
    """Note which lines begin in segments; what was noted of them before gives way."""
    db.executemany(
        "INSERT OR REPLACE INTO segment_lines VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [msgspec.structs.astuple(row) for row in rows],
    )


def find_last_lines(db: apsw.Connection, job_id: str) -> SegmentLines | None:
    """Return the lines of the last segment of which they are noted."""
    sql = _SELECT_LINES + "WHERE job_id = :job_id ORDER BY start DESC LIMIT 1"
    return fetch_one(db, sql, {"job_id": job_id}, SegmentLines)


def find_lines_at(db: apsw.Connection, job_id: str, number: int) -> SegmentLines | None:
    """Return the segment in which the line of that number begins.

    The last one if there is no such line yet, None if nothing is noted.
    """
    return fetch_one(
        db,
        _SELECT_LINES
        + """
         WHERE job_id = :job_id AND lines_before < :number
         ORDER BY lines_before DESC, start DESC LIMIT 1
        """,
        {"job_id": job_id, "number": number},
        SegmentLines,
    )


def list_lines(db: apsw.Connection, job_id: str, start: int, limit: int) -> list[SegmentLines]:
    """Return the segments from `start` on, in order."""
    return fetch_all(
        db,
        _SELECT_LINES + "WHERE job_id = :job_id AND start >= :start ORDER BY start LIMIT :limit",
        {"job_id": job_id, "start": start, "limit": limit},
        SegmentLines,
    )


def list_lines_back(db: apsw.Connection, job_id: str, end: int, limit: int) -> list[SegmentLines]:
    """Return the segments that begin before `end`, the last one first."""
    return fetch_all(
        db,
        _SELECT_LINES + "WHERE job_id = :job_id AND start < :end ORDER BY start DESC LIMIT :limit",
        {"job_id": job_id, "end": end, "limit": limit},
        SegmentLines,
    )


def delete_lines(db: apsw.Connection, job_id: str) -> None:
    """Forget which lines begin in the segments of a job."""
    db.execute("DELETE FROM segment_lines WHERE job_id = :job_id", {"job_id": job_id})


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


def delete_usage(db: apsw.Connection, org_id: str) -> None:
    """Forget what an org's logs took."""
    db.execute("DELETE FROM usage WHERE org_id = :org_id", {"org_id": org_id})


class Usage(Row, frozen=True):
    """How many bytes the logs of an org take; "" stands for those of nobody."""

    org_id: str
    stored: int


def find_usage(db: apsw.Connection, org_id: str) -> int:
    """Return how many bytes an org's logs take."""
    sql = "SELECT stored FROM usage WHERE org_id = :org_id"
    return int(fetch_value(db, sql, {"org_id": org_id}) or 0)


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


def insert_gap(db: apsw.Connection, job_id: str, start: int, size: int, reason: str = "") -> None:
    """Note that so many bytes of a log are not here, though its worker has delivered them."""
    db.execute(
        "INSERT OR IGNORE INTO gaps (job_id, start, size, reason) VALUES (?, ?, ?, ?)",
        (job_id, start, size, reason),
    )


class Truncation(Row, frozen=True):
    """From where on output of a job was not kept, and why."""

    start: int
    reason: str


def find_truncation(db: apsw.Connection, job_id: str) -> Truncation | None:
    """Return where the server stopped keeping a job's output by itself, None if it has not."""
    return fetch_one(
        db,
        """
        SELECT start, reason FROM gaps
         WHERE job_id = :job_id AND reason <> ''
         ORDER BY start LIMIT 1
        """,
        {"job_id": job_id},
        Truncation,
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


def list_of_jobs(db: apsw.Connection, job_ids: Sequence[str], limit: int) -> list[SegmentPlace]:
    """Return segments of jobs' logs."""
    return fetch_all(
        db,
        """
        SELECT rowid, length(chunks)
          FROM segments
         WHERE job_id IN (SELECT value FROM json_each(:job_ids)) LIMIT :limit
        """,
        {"job_ids": json_list(job_ids), "limit": limit},
        SegmentPlace,
    )


def delete_lines_of(db: apsw.Connection, rowids: Sequence[int]) -> None:
    """Forget which lines begin in segments that are about to be removed."""
    db.execute(
        """
        DELETE FROM segment_lines
         WHERE (job_id, start) IN (SELECT job_id, start
                                     FROM segments
                                    WHERE rowid IN (SELECT value FROM json_each(:rowids)))
        """,
        {"rowids": json_list(rowids)},
    )


class RemovedSegment(Row, frozen=True):
    """Whose segment was removed, and how many bytes it took."""

    org_id: str
    job_id: str
    stored: int


def delete(db: apsw.Connection, rowids: Sequence[int]) -> list[RemovedSegment]:
    """Remove segments; what they took is to be counted off with `add_usage`."""
    return fetch_all(
        db,
        """
        DELETE FROM segments
         WHERE rowid IN (SELECT value FROM json_each(:rowids))
        RETURNING org_id, job_id, length(chunks)
        """,
        {"rowids": json_list(rowids)},
        RemovedSegment,
    )


def delete_gaps(db: apsw.Connection, job_id: str) -> None:
    """Forget what of a job's log is not here."""
    db.execute("DELETE FROM gaps WHERE job_id = :job_id", {"job_id": job_id})
