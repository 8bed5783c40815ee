"""SQL of roles: an org's own ones, and what it adds to the built-in ones.

Rules are JSON lists of texts.
"""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value, has_changed


class RoleRow(Row, frozen=True):
    """A role of the org, or under a built-in role's name what the org adds to it."""

    name: str
    description: str
    rules: str
    created_at: datetime
    updated_at: datetime
    deciding_seq: int = 0
    """The entry of the record by which its rules last came to let people decide on approvals."""


_SELECT = "SELECT name, description, rules, created_at, updated_at, deciding_seq FROM roles "


def insert(db: apsw.Connection, org_id: str, row: RoleRow) -> bool:
    """Record a new role. Return False if the org has one of that name."""
    return has_changed(
        db,
        """
        INSERT INTO roles (org_id, name, description, rules, created_at, updated_at, deciding_seq)
        VALUES (:org_id, :name, :description, :rules, :created_at, :updated_at, :deciding_seq)
        ON CONFLICT DO NOTHING
        """,
        {
            "org_id": org_id,
            "name": row.name,
            "description": row.description,
            "rules": row.rules,
            "created_at": to_text(row.created_at),
            "updated_at": to_text(row.updated_at),
            "deciding_seq": row.deciding_seq,
        },
    )


def update(db: apsw.Connection, org_id: str, old: RoleRow, new: RoleRow) -> bool:
    """Change description and rules.

    Return False if somebody changed or removed the role meanwhile.
    """
    return has_changed(
        db,
        """
        UPDATE roles
           SET description = :description, rules = :rules, updated_at = :updated_at,
               deciding_seq = :deciding_seq
         WHERE org_id = :org_id
           AND name = :name
           AND rules = :old_rules
           AND description = :old_description
        """,
        {
            "org_id": org_id,
            "name": new.name,
            "description": new.description,
            "rules": new.rules,
            "updated_at": to_text(new.updated_at),
            "deciding_seq": new.deciding_seq,
            "old_rules": old.rules,
            "old_description": old.description,
        },
    )


def delete(db: apsw.Connection, org_id: str, name: str) -> bool:
    """Remove a role that nobody has.

    Return False if there is none of that name, or somebody has it.
    """
    return has_changed(
        db,
        """
        DELETE FROM roles
         WHERE org_id = :org_id AND name = :name
           AND NOT EXISTS (SELECT 1 FROM memberships WHERE org_id = :org_id AND role = :name)
        """,
        {"org_id": org_id, "name": name},
    )


def find(db: apsw.Connection, org_id: str, name: str) -> RoleRow | None:
    """Return one row, or None."""
    where = "WHERE org_id = :org_id AND name = :name"
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "name": name}, RoleRow)


def list_by_name(db: apsw.Connection, org_id: str, after: str, limit: int) -> list[RoleRow]:
    """Return the org's rows whose names stand after this one."""
    return fetch_all(
        db,
        _SELECT + "WHERE org_id = :org_id AND name > :after ORDER BY name LIMIT :limit",
        {"org_id": org_id, "after": after, "limit": limit},
        RoleRow,
    )


def count_members(db: apsw.Connection, org_id: str, name: str) -> int:
    """Return how many people of the org have this role."""
    sql = "SELECT count(*) FROM memberships WHERE org_id = :org_id AND role = :name"
    return int(fetch_value(db, sql, {"org_id": org_id, "name": name}))
