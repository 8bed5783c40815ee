"""SQL of orgs."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_column, fetch_one, fetch_value
from opsicle.server.store.waiting import waits


class OrgRow(Row, frozen=True):
    """One org."""

    id: str
    code: str
    name: str


def insert(db: apsw.Connection, row: OrgRow, at: datetime) -> None:
    """Record a new org."""
    db.execute(
        "INSERT INTO orgs (id, code, name, created_at) VALUES (:id, :code, :name, :at)",
        {"id": row.id, "code": row.code, "name": row.name, "at": to_text(at)},
    )


def find(db: apsw.Connection, org_id: str) -> OrgRow | None:
    """Return one org by its id, or None."""
    return fetch_one(db, "SELECT id, code, name FROM orgs WHERE id = :id", {"id": org_id}, OrgRow)


def find_by_code(db: apsw.Connection, code: str) -> OrgRow | None:
    """Return one org by its code, or None."""
    return fetch_one(
        db, "SELECT id, code, name FROM orgs WHERE code = :code", {"code": code}, OrgRow
    )


def list_all(db: apsw.Connection, after_code: str, limit: int) -> list[OrgRow]:
    """Return all orgs of the server by code, from the first one after `after_code`."""
    return fetch_all(
        db,
        "SELECT id, code, name FROM orgs WHERE code > :after ORDER BY code LIMIT :limit",
        {"after": after_code, "limit": limit},
        OrgRow,
    )


def list_ids(db: apsw.Connection) -> list[str]:
    """Return the ids of all orgs of the server."""
    return fetch_column(db, "SELECT id FROM orgs ORDER BY id", {})


def rename(db: apsw.Connection, org_id: str, name: str) -> None:
    """Change what the org is called; its code stays."""
    db.execute("UPDATE orgs SET name = :name WHERE id = :id", {"id": org_id, "name": name})


def allow_shared_workers(db: apsw.Connection, org_id: str, allows: bool) -> None:
    """Let shared workers carry out what the org runs, or no longer."""
    db.execute(
        "UPDATE orgs SET allows_shared_workers = :allows WHERE id = :id",
        {"id": org_id, "allows": allows},
    )


def allows_shared_workers(db: apsw.Connection, org_id: str) -> bool:
    """Return whether shared workers may carry out what the org runs."""
    return bool(
        fetch_value(db, "SELECT allows_shared_workers FROM orgs WHERE id = :id", {"id": org_id})
    )


def list_allowing_shared(db: apsw.Connection) -> list[str]:
    """Return the ids of all orgs that let shared workers serve them."""
    return fetch_column(db, "SELECT id FROM orgs WHERE allows_shared_workers", {})


def list_shared_waiting(db: apsw.Connection) -> list[str]:
    """Return the orgs with waiting automations that shared workers may serve.

    The one served longest ago comes first. It takes one step in an index for each org that has
    something waiting, however much that is.
    """
    return fetch_column(
        db,
        f"""
        WITH RECURSIVE waiting (org_id) AS (
            SELECT min(org_id)
              FROM automations
             WHERE {waits()}
            UNION ALL
            SELECT (SELECT min(a.org_id) FROM automations a
                     WHERE {waits("a")} AND a.org_id > waiting.org_id)
              FROM waiting WHERE waiting.org_id IS NOT NULL
        )
        SELECT o.id
          FROM waiting
          JOIN orgs o ON o.id = waiting.org_id
         WHERE o.allows_shared_workers
         ORDER BY o.shared_served_seq, o.id
        """,  # noqa: S608 - literals
        {},
    )


def note_served_by_shared(db: apsw.Connection, org_id: str) -> None:
    """Put this org behind all others, as a shared worker was just given a job of it."""
    db.execute(
        """
        UPDATE orgs
           SET shared_served_seq = (SELECT max(shared_served_seq) + 1 FROM orgs)
         WHERE id = :id
        """,
        {"id": org_id},
    )


def has_any(db: apsw.Connection) -> bool:
    """Return whether the server has been set up."""
    return bool(fetch_value(db, "SELECT EXISTS (SELECT 1 FROM orgs)", {}))
