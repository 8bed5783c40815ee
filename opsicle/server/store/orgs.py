"""SQL of orgs."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value


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
    """One org by its id, or None."""
    return fetch_one(db, "SELECT id, code, name FROM orgs WHERE id = :id", {"id": org_id}, OrgRow)


def find_by_code(db: apsw.Connection, code: str) -> OrgRow | None:
    """One org by its code, or None."""
    return fetch_one(db, "SELECT id, code, name FROM orgs WHERE code = :code", {"code": code}, OrgRow)


def list_all(db: apsw.Connection, after_code: str, limit: int) -> list[OrgRow]:
    """All orgs of the server by code, from the first one after `after_code`."""
    return fetch_all(
        db,
        "SELECT id, code, name FROM orgs WHERE code > :after ORDER BY code LIMIT :limit",
        {"after": after_code, "limit": limit},
        OrgRow,
    )


def rename(db: apsw.Connection, org_id: str, name: str) -> None:
    """Change what the org is called; its code stays."""
    db.execute("UPDATE orgs SET name = :name WHERE id = :id", {"id": org_id, "name": name})


def has_any(db: apsw.Connection) -> bool:
    """Whether the server has been set up."""
    return bool(fetch_value(db, "SELECT EXISTS (SELECT 1 FROM orgs)", {}))
