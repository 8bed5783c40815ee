"""SQL of who belongs to groups, beside what `rule_sets.py` has of groups."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, has_changed, json_list
from opsicle.server.store.rule_sets import RuleSetRow


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


def delete(db: apsw.Connection, org_id: str, name: str) -> bool:
    """Remove a group that nobody belongs to any more.

    Return False if there is none of that name.
    """
    return has_changed(
        db,
        "DELETE FROM groups WHERE org_id = :org_id AND name = :name",
        {"org_id": org_id, "name": name},
    )


def list_of_user(db: apsw.Connection, org_id: str, user_id: str) -> list[RuleSetRow]:
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
        RuleSetRow,
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
