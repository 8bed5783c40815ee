"""SQL of files on the server's disk, which are named by what is in them.

How many rows name one (`uses`) and what all of an org take together is counted by triggers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_column, fetch_one, fetch_value


class ContentRow(Row, frozen=True):
    """One file. `problem`: what was found wrong with it, "" if nothing was."""

    org_id: str
    sha256: str
    size: int
    uses: int
    problem: str
    checked_at: datetime


_ROWS_AT_ONCE = 500

_SELECT = "SELECT org_id, sha256, size, uses, problem, checked_at FROM contents "


def put(db: apsw.Connection, org_id: str, sha256: str, size: int, at: datetime) -> None:
    """Note that a file is there, whole; one that was found damaged is good again."""
    db.execute(
        """
        INSERT INTO contents (org_id, sha256, size, checked_at)
        VALUES (:org_id, :sha256, :size, :at)
            ON CONFLICT (org_id, sha256) DO UPDATE SET problem = '', checked_at = :at
        """,
        {"org_id": org_id, "sha256": sha256, "size": size, "at": to_text(at)},
    )


def find(db: apsw.Connection, org_id: str, sha256: str) -> ContentRow | None:
    """Return one file's row, or None."""
    return fetch_one(
        db,
        _SELECT + "WHERE org_id = :org_id AND sha256 = :sha256",
        {"org_id": org_id, "sha256": sha256},
        ContentRow,
    )


def stored(db: apsw.Connection, org_id: str) -> int:
    """Return how many bytes an org's files take."""
    sql = "SELECT stored FROM content_usage WHERE org_id = :org_id"
    return int(fetch_value(db, sql, {"org_id": org_id}) or 0)


def list_of_prefix(db: apsw.Connection, org_id: str, prefix: str) -> list[ContentRow]:
    """Return an org's files whose digests begin so."""
    return fetch_all(
        db,
        _SELECT + "WHERE org_id = :org_id AND sha256 >= :prefix AND sha256 < :prefix || 'g'",
        {"org_id": org_id, "prefix": prefix},
        ContentRow,
    )


def list_after(db: apsw.Connection, org_id: str, sha256: str, limit: int) -> list[ContentRow]:
    """Return the files of all orgs, in order, from the one after this; "" and "" begin."""
    return fetch_all(
        db,
        _SELECT
        + """
        WHERE (org_id, sha256) > (:org_id, :sha256)
        ORDER BY org_id, sha256 LIMIT :limit
        """,
        {"org_id": org_id, "sha256": sha256, "limit": limit},
        ContentRow,
    )


def list_all(db: apsw.Connection) -> Iterator[ContentRow]:
    """Return every file that the state names, some hundred at a time."""
    after = ("", "")
    while rows := list_after(db, *after, limit=_ROWS_AT_ONCE):
        yield from rows
        after = (rows[-1].org_id, rows[-1].sha256)


def list_unused(db: apsw.Connection, org_id: str, limit: int) -> list[str]:
    """Return digests of an org's files that nothing names."""
    return fetch_column(
        db,
        "SELECT sha256 FROM contents WHERE org_id = :org_id AND uses = 0 LIMIT :limit",
        {"org_id": org_id, "limit": limit},
    )


def delete_unused(db: apsw.Connection, org_id: str, sha256: str) -> bool:
    """Remove the row of a file that nothing names. Return False if something does by now."""
    db.execute(
        "DELETE FROM contents WHERE org_id = :org_id AND sha256 = :sha256 AND uses = 0",
        {"org_id": org_id, "sha256": sha256},
    )
    return db.changes() == 1


def list_longest_unchecked(db: apsw.Connection, limit: int) -> list[ContentRow]:
    """Return the files that nobody has read through for longest."""
    return fetch_all(db, _SELECT + "ORDER BY checked_at LIMIT :limit", {"limit": limit}, ContentRow)


def note_check(db: apsw.Connection, org_id: str, sha256: str, problem: str, at: datetime) -> None:
    """Note what was found when a file was read through."""
    db.execute(
        """
        UPDATE contents
           SET problem = :problem, checked_at = :at
         WHERE org_id = :org_id AND sha256 = :sha256
        """,
        {"org_id": org_id, "sha256": sha256, "problem": problem, "at": to_text(at)},
    )
