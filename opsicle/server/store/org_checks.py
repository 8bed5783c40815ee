"""What the rows of an export could not hold if a server had made it of one org."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import apsw

from opsicle.kit.ids import LENGTH
from opsicle.server.store.inspection import open_untouched
from opsicle.server.store.org_copies import columns_of


def find_foreign(db: apsw.Connection, org_id: str, tables: Iterable[str]) -> str:
    """Return a table that holds a row of another org, "" if none does."""
    for table in tables:
        names = columns_of(db, table).split(", ")
        column = "id" if table == "orgs" else "org_id"
        if (
            column in names
            and db.execute(
                f"SELECT 1 FROM {table} WHERE {column} IS NOT ? LIMIT 1",  # noqa: S608
                (org_id,),
            ).fetchone()
        ):
            return table
    return ""


def has_foreign_tails(db: apsw.Connection) -> bool:
    """Return whether a draft holds the end of a log of a job that it does not hold."""
    sql = "SELECT 1 FROM log_tails WHERE job_id NOT IN (SELECT id FROM jobs) LIMIT 1"
    return db.execute(sql).fetchone() is not None


def find_undigested(db: apsw.Connection) -> str | None:
    """Return the name of a file that is no SHA-256: it would lead to another place on the disk."""
    sql = "SELECT sha256 FROM contents WHERE length(sha256) <> 64 OR sha256 GLOB '*[^0-9a-f]*'"
    row = db.execute(f"{sql} LIMIT 1").fetchone()
    return str(row[0]) if row else None


def has_foreign_logs(database: Path, org_id: str) -> bool:
    """Return whether a database of logs holds a piece of a log that is not this org's."""
    of_no_log = "job_id NOT IN (SELECT job_id FROM job_logs)"
    with closing(open_untouched(database)) as db:
        if find_foreign(db, org_id, ("job_logs", "usage")):
            return True
        return any(
            db.execute(f"SELECT 1 FROM {table} WHERE {of_no_log} LIMIT 1").fetchone()  # noqa: S608
            for table in ("segments", "segment_lines", "gaps")
        )


def find_odd_id(db: apsw.Connection, tables: Iterable[str]) -> str | None:
    """Return an id that no server gives: it could be somebody's address, or lead elsewhere."""
    for table in tables:
        if "id" in columns_of(db, table).split(", "):
            odd = f"length(id) <> {LENGTH} OR id GLOB '*[^0-9a-z]*'"
            row = db.execute(f"SELECT id FROM {table} WHERE {odd} LIMIT 1").fetchone()  # noqa: S608
            if row:
                return str(row[0])
    return None
