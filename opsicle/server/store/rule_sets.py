"""SQL of what groups and roles share: names in an org with rules, JSON lists of texts."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, has_changed


class RuleSetKind(StrEnum):
    """What has rules of its own. Each kind has a table."""

    GROUP = "group"
    ROLE = "role"

    @property
    def plural(self) -> str:
        """Its table, the first part of its name in the record, and its command."""
        return f"{self}s"


class RuleSetRow(Row, frozen=True):
    """A group or a role of the org, or under a built-in role's name what the org adds to it."""

    name: str
    description: str
    rules: str
    created_at: datetime
    updated_at: datetime
    deciding_seq: int = 0
    """The entry of the record by which its rules last came to let people decide on approvals."""


_SELECT = "SELECT name, description, rules, created_at, updated_at, deciding_seq FROM {table} "


def insert(db: apsw.Connection, kind: RuleSetKind, org_id: str, row: RuleSetRow) -> bool:
    """Record a new one. Return False if the org has one of that name."""
    sql = """
        INSERT INTO {table} (org_id, name, description, rules, created_at, updated_at, deciding_seq)
        VALUES (:org_id, :name, :description, :rules, :created_at, :updated_at, :deciding_seq)
        ON CONFLICT DO NOTHING
    """
    given = {
        "org_id": org_id,
        "name": row.name,
        "description": row.description,
        "rules": row.rules,
        "created_at": to_text(row.created_at),
        "updated_at": to_text(row.updated_at),
        "deciding_seq": row.deciding_seq,
    }
    return has_changed(db, sql.format(table=kind.plural), given)


def update(
    db: apsw.Connection, kind: RuleSetKind, org_id: str, old: RuleSetRow, new: RuleSetRow
) -> bool:
    """Change description and rules.

    Return False if somebody changed or removed it meanwhile.
    """
    sql = """
        UPDATE {table}
           SET description = :description, rules = :rules, updated_at = :updated_at,
               deciding_seq = :deciding_seq
         WHERE org_id = :org_id
           AND name = :name
           AND rules = :old_rules
           AND description = :old_description
    """
    given = {
        "org_id": org_id,
        "name": new.name,
        "description": new.description,
        "rules": new.rules,
        "updated_at": to_text(new.updated_at),
        "deciding_seq": new.deciding_seq,
        "old_rules": old.rules,
        "old_description": old.description,
    }
    return has_changed(db, sql.format(table=kind.plural), given)


def find(db: apsw.Connection, kind: RuleSetKind, org_id: str, name: str) -> RuleSetRow | None:
    """Return one of the org, or None."""
    sql = (_SELECT + "WHERE org_id = :org_id AND name = :name").format(table=kind.plural)
    return fetch_one(db, sql, {"org_id": org_id, "name": name}, RuleSetRow)


def list_by_name(
    db: apsw.Connection, kind: RuleSetKind, org_id: str, after: str, limit: int
) -> list[RuleSetRow]:
    """Return those of the org whose names stand after this one; a negative limit is none."""
    where = "WHERE org_id = :org_id AND name > :after ORDER BY name LIMIT :limit"
    given = {"org_id": org_id, "after": after, "limit": limit}
    return fetch_all(db, (_SELECT + where).format(table=kind.plural), given, RuleSetRow)
