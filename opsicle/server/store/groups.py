"""SQL of groups and of who belongs to them. Rules are JSON lists of texts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, has_changed, json_list


class GroupRow(Row, frozen=True):
    """A group of the org."""

    name: str
    description: str
    rules: str
    created_at: datetime
    updated_at: datetime
    deciding_seq: int = 0
    """The entry of the record by which its rules last came to let people decide on approvals."""


class GroupMemberRow(Row, frozen=True):
    """One person of a group, and since when."""

    user_id: str
    email: str
    name: str
    joined_at: datetime


class _JoinedRow(Row, frozen=True):
    user_id: str
    name: str
    joined_seq: int


_SELECT = "SELECT name, description, rules, created_at, updated_at, deciding_seq FROM groups "


def insert(db: apsw.Connection, org_id: str, row: GroupRow) -> bool:
    """Record a new group. Return False if the org has one of that name."""
    return has_changed(
        db,
        """
        INSERT INTO groups (org_id, name, description, rules, created_at, updated_at, deciding_seq)
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


def update(db: apsw.Connection, org_id: str, old: GroupRow, new: GroupRow) -> bool:
    """Change description and rules.

    Return False if somebody changed or removed the group meanwhile.
    """
    return has_changed(
        db,
        """
        UPDATE groups
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
    """Remove a group that nobody belongs to any more.

    Return False if there is none of that name.
    """
    return has_changed(
        db,
        "DELETE FROM groups WHERE org_id = :org_id AND name = :name",
        {"org_id": org_id, "name": name},
    )


def find(db: apsw.Connection, org_id: str, name: str) -> GroupRow | None:
    """Return one group of the org, or None."""
    where = "WHERE org_id = :org_id AND name = :name"
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "name": name}, GroupRow)


def list_by_name(db: apsw.Connection, org_id: str, after: str, limit: int) -> list[GroupRow]:
    """Return the org's groups whose names stand after this one."""
    return fetch_all(
        db,
        _SELECT + "WHERE org_id = :org_id AND name > :after ORDER BY name LIMIT :limit",
        {"org_id": org_id, "after": after, "limit": limit},
        GroupRow,
    )


def list_of_user(db: apsw.Connection, org_id: str, user_id: str) -> list[GroupRow]:
    """Return the groups that somebody belongs to, by name."""
    return fetch_all(
        db,
        """
        SELECT g.name, g.description, g.rules, g.created_at, g.updated_at, g.deciding_seq
          FROM group_members m
          JOIN groups g ON g.org_id = m.org_id AND g.name = m.name
         WHERE m.org_id = :org_id AND m.user_id = :user_id
         ORDER BY g.name
        """,
        {"org_id": org_id, "user_id": user_id},
        GroupRow,
    )


def list_joined(
    db: apsw.Connection, org_id: str, user_ids: Iterable[str]
) -> dict[str, dict[str, int]]:
    """Return the groups of each of these people who is in one.

    With each group stands the entry of the record by which they joined it.
    """
    rows = fetch_all(
        db,
        """
        SELECT user_id, name, joined_seq
          FROM group_members
         WHERE org_id = :org_id AND user_id IN (SELECT value FROM json_each(:user_ids))
        """,
        {"org_id": org_id, "user_ids": json_list(user_ids)},
        _JoinedRow,
    )

    joined: dict[str, dict[str, int]] = {}
    for row in rows:
        joined.setdefault(row.user_id, {})[row.name] = row.joined_seq
    return joined


def members(db: apsw.Connection, org_id: str, name: str) -> list[GroupMemberRow]:
    """Return a group's people who may come in, by address."""
    return fetch_all(
        db,
        """
        SELECT u.id, u.email, u.name, g.joined_at
          FROM group_members g
          JOIN enabled_members m ON m.org_id = g.org_id AND m.user_id = g.user_id
          JOIN users u ON u.id = g.user_id
         WHERE g.org_id = :org_id AND g.name = :name
         ORDER BY u.email
        """,
        {"org_id": org_id, "name": name},
        GroupMemberRow,
    )


def add(db: apsw.Connection, org_id: str, name: str, user_id: str, at: datetime, seq: int) -> bool:
    """Let somebody join by the entry `seq` of the record.

    Return False if they belong to it already, and change nothing.
    """
    return has_changed(
        db,
        """
        INSERT INTO group_members (org_id, name, user_id, joined_at, joined_seq)
        VALUES (:org_id, :name, :user_id, :at, :seq)
        ON CONFLICT DO NOTHING
        """,
        {"org_id": org_id, "name": name, "user_id": user_id, "at": to_text(at), "seq": seq},
    )


def remove(db: apsw.Connection, org_id: str, name: str, user_id: str) -> bool:
    """Take somebody out. Return False if they did not belong to it."""
    return has_changed(
        db,
        "DELETE FROM group_members WHERE org_id = :org_id AND name = :name AND user_id = :user_id",
        {"org_id": org_id, "name": name, "user_id": user_id},
    )


def remove_all(db: apsw.Connection, org_id: str, name: str) -> None:
    """Take everybody out."""
    db.execute(
        "DELETE FROM group_members WHERE org_id = :org_id AND name = :name",
        {"org_id": org_id, "name": name},
    )


def remove_everywhere(db: apsw.Connection, org_id: str, user_id: str) -> None:
    """Take somebody out of all groups of the org."""
    db.execute(
        "DELETE FROM group_members WHERE org_id = :org_id AND user_id = :user_id",
        {"org_id": org_id, "user_id": user_id},
    )
