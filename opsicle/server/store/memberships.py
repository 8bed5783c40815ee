"""SQL of memberships: what a person is in an org, and who their manager is there."""

from __future__ import annotations

from datetime import datetime

import apsw
import msgspec

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value, has_changed


class MemberRow(Row, frozen=True):
    """A person of an org, with their manager's address; or a service account, with its owner's.

    `is_enabled`: whether they may come in; a service account only while its owner may. `role_seq`
    and `rules_seq` are the entries of the record by which they got their role and their own rules.
    """

    user_id: str
    email: str
    name: str
    role: str
    manager_id: str | None
    manager: str | None
    is_disabled: bool
    created_at: datetime
    rules: str = "[]"
    owner_id: str | None = None
    owner: str | None = None
    is_manager_disabled: bool = False
    is_enabled: bool = True
    role_seq: int = 0
    rules_seq: int = 0


class MembershipRow(Row, frozen=True):
    """One of the orgs that a person belongs to."""

    org_id: str
    org_code: str
    org_name: str
    role: str
    is_disabled: bool
    allows_shared_workers: bool
    max_running: int | None
    max_waiting: int | None
    log_retention_days: int | None
    max_log_mib: int | None


class MemberSelection(msgspec.Struct, frozen=True, kw_only=True):
    """Members by whichever way they are named. `owner_ids`: the service accounts of these."""

    user_ids: tuple[str, ...] = ()
    owner_ids: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


_SELECT = """
    SELECT u.id, u.email, u.name, m.role, m.manager_id, manager.email, m.is_disabled, m.created_at,
           m.rules, m.owner_id, owner.email, coalesce(above.is_disabled, 0),
           EXISTS (SELECT 1 FROM enabled_members e
                    WHERE e.org_id = m.org_id AND e.user_id = m.user_id),
           m.role_seq, m.rules_seq
      FROM memberships m
      JOIN users u ON u.id = m.user_id
      LEFT JOIN users manager ON manager.id = m.manager_id
      LEFT JOIN memberships above ON above.org_id = m.org_id AND above.user_id = m.manager_id
      LEFT JOIN users owner ON owner.id = m.owner_id
"""

_NAMED = """
    WITH RECURSIVE named (id) AS (
        SELECT value FROM json_each(:user_ids)
        UNION
        SELECT u.id FROM json_each(:emails) e JOIN users u ON u.email = e.value
        UNION
        SELECT user_id FROM memberships
         WHERE org_id = :org_id AND role IN (SELECT value FROM json_each(:roles))
        UNION
        SELECT user_id FROM memberships
         WHERE org_id = :org_id
           AND owner_id IS NOT NULL
           AND owner_id IN (SELECT value FROM json_each(:owner_ids))
        UNION
        SELECT user_id FROM group_members
         WHERE org_id = :org_id AND name IN (SELECT value FROM json_each(:groups))
        UNION
        SELECT account.owner_id FROM named JOIN memberships account ON account.user_id = named.id
         WHERE account.org_id = :org_id AND account.owner_id IS NOT NULL
    )
"""


def insert(db: apsw.Connection, org_id: str, row: MemberRow) -> None:
    """Make a person a member."""
    db.execute(
        """
        INSERT INTO memberships (org_id, user_id, role, manager_id, is_disabled, created_at, rules,
                                 owner_id, role_seq, rules_seq)
        VALUES (:org_id, :user_id, :role, :manager_id, :is_disabled, :created_at, :rules, :owner_id,
                :role_seq, :rules_seq)
        """,
        {
            "org_id": org_id,
            "user_id": row.user_id,
            "role": row.role,
            "manager_id": row.manager_id,
            "is_disabled": row.is_disabled,
            "created_at": to_text(row.created_at),
            "rules": row.rules,
            "owner_id": row.owner_id,
            "role_seq": row.role_seq,
            "rules_seq": row.rules_seq,
        },
    )


def find(db: apsw.Connection, org_id: str, id_or_email: str) -> MemberRow | None:
    """Return a member by id or e-mail address, or None."""
    where = "WHERE m.org_id = :org_id AND (u.id = :key OR u.email = :key)"
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "key": id_or_email}, MemberRow)


def list_members(db: apsw.Connection, org_id: str, after_email: str, limit: int) -> list[MemberRow]:
    """Return an org's members by address, from the first one after `after_email`."""
    return fetch_all(
        db,
        _SELECT + "WHERE m.org_id = :org_id AND u.email > :after ORDER BY u.email LIMIT :limit",
        {"org_id": org_id, "after": after_email, "limit": limit},
        MemberRow,
    )


def list_named(db: apsw.Connection, org_id: str, named: MemberSelection) -> list[MemberRow]:
    """Return the members who are named, and the owners of named service accounts, by address."""
    return fetch_all(
        db,
        _NAMED + _SELECT + "WHERE m.org_id = :org_id AND m.user_id IN named ORDER BY u.email",
        {
            "org_id": org_id,
            **{
                name: msgspec.json.encode(value).decode()
                for name, value in msgspec.structs.asdict(named).items()
            },
        },
        MemberRow,
    )


def list_of_user(db: apsw.Connection, user_id: str) -> list[MembershipRow]:
    """Return the orgs of one person, by code."""
    return fetch_all(
        db,
        """
        SELECT o.id, o.code, o.name, m.role, m.is_disabled, o.allows_shared_workers,
               o.max_running, o.max_waiting, o.log_retention_days, o.max_log_mib
          FROM memberships m
          JOIN orgs o ON o.id = m.org_id
         WHERE m.user_id = :user_id
         ORDER BY o.code
        """,
        {"user_id": user_id},
        MembershipRow,
    )


def list_service_accounts(
    db: apsw.Connection, org_id: str, after_email: str, limit: int
) -> list[MemberRow]:
    """Return an org's service accounts by address, from the first one after `after_email`."""
    return fetch_all(
        db,
        _SELECT
        + """
         WHERE m.org_id = :org_id
           AND m.owner_id IS NOT NULL
           AND u.email > :after
         ORDER BY u.email LIMIT :limit
        """,
        {"org_id": org_id, "after": after_email, "limit": limit},
        MemberRow,
    )


def list_owned(db: apsw.Connection, org_id: str, owner_id: str) -> list[MemberRow]:
    """Return the service accounts of one person."""
    where = "WHERE m.org_id = :org_id AND m.owner_id = :owner_id ORDER BY u.email"
    return fetch_all(db, _SELECT + where, {"org_id": org_id, "owner_id": owner_id}, MemberRow)


def count_other_admins(db: apsw.Connection, org_id: str, user_id: str) -> int:
    """Return how many people besides this one can administer the org."""
    return int(
        fetch_value(
            db,
            """
            SELECT count(*)
              FROM memberships
             WHERE org_id = :org_id AND user_id <> :user_id AND role = 'admin' AND NOT is_disabled
            """,
            {"org_id": org_id, "user_id": user_id},
        )
    )


def is_managed_by(db: apsw.Connection, org_id: str, user_id: str, manager_id: str) -> bool:
    """Return whether `manager_id` stands anywhere above `user_id`, or is the same person."""
    return bool(
        fetch_value(
            db,
            """
            WITH RECURSIVE above (id) AS (
                VALUES (:user_id)
                UNION
                SELECT m.manager_id FROM memberships m JOIN above ON m.user_id = above.id
                 WHERE m.org_id = :org_id AND m.manager_id IS NOT NULL
            )
            SELECT EXISTS (SELECT 1 FROM above WHERE id = :manager_id)
            """,
            {"org_id": org_id, "user_id": user_id, "manager_id": manager_id},
        )
    )


def update(db: apsw.Connection, org_id: str, row: MemberRow) -> None:
    """Change role, manager, rules, whether they may come in, and a service account's owner."""
    db.execute(
        """
        UPDATE memberships
           SET role = :role, manager_id = :manager_id, is_disabled = :is_disabled, rules = :rules,
               owner_id = :owner_id, role_seq = :role_seq, rules_seq = :rules_seq
         WHERE org_id = :org_id AND user_id = :user_id
        """,
        {
            "org_id": org_id,
            "user_id": row.user_id,
            "role": row.role,
            "manager_id": row.manager_id,
            "is_disabled": row.is_disabled,
            "rules": row.rules,
            "owner_id": row.owner_id,
            "role_seq": row.role_seq,
            "rules_seq": row.rules_seq,
        },
    )


def clear_manager(db: apsw.Connection, org_id: str, manager_id: str) -> None:
    """Leave those without a manager whose manager goes."""
    db.execute(
        """
        UPDATE memberships
           SET manager_id = NULL
         WHERE org_id = :org_id
           AND manager_id = :manager_id
        """,
        {"org_id": org_id, "manager_id": manager_id},
    )


def delete(db: apsw.Connection, org_id: str, user_id: str) -> bool:
    """End a membership. Return False if there was none."""
    return has_changed(
        db,
        "DELETE FROM memberships WHERE org_id = :org_id AND user_id = :user_id",
        {"org_id": org_id, "user_id": user_id},
    )
