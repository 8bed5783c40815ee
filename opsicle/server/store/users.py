"""SQL of users: a person's account on this server, whatever orgs they belong to."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value


class UserRow(Row, frozen=True):
    """One account. E-mail addresses are kept in lower case."""

    id: str
    email: str
    name: str
    password_hash: str
    is_provider_admin: bool = False


_SELECT = "SELECT id, email, name, password_hash, is_provider_admin FROM users "


def insert(db: apsw.Connection, row: UserRow, at: datetime) -> None:
    """Record a new account."""
    db.execute(
        """
        INSERT INTO users (id, email, name, password_hash, is_provider_admin, created_at)
        VALUES (:id, :email, :name, :password_hash, :is_provider_admin, :at)
        """,
        {
            "id": row.id,
            "email": row.email,
            "name": row.name,
            "password_hash": row.password_hash,
            "is_provider_admin": row.is_provider_admin,
            "at": to_text(at),
        },
    )


def find_by_email(db: apsw.Connection, email: str) -> UserRow | None:
    """Return one account by its address, or None."""
    return fetch_one(db, _SELECT + "WHERE email = :key", {"key": email}, UserRow)


def find(db: apsw.Connection, id_or_email: str) -> UserRow | None:
    """Return one account by its id or address, or None."""
    return fetch_one(db, _SELECT + "WHERE id = :key OR email = :key", {"key": id_or_email}, UserRow)


def list_provider_admins(db: apsw.Connection, after_email: str, limit: int) -> list[UserRow]:
    """Return who runs the server, by address, from the first one after `after_email`."""
    return fetch_all(
        db,
        _SELECT + "WHERE is_provider_admin AND email > :after ORDER BY email LIMIT :limit",
        {"after": after_email, "limit": limit},
        UserRow,
    )


def set_provider_admin(db: apsw.Connection, user_id: str, is_provider_admin: bool) -> bool:
    """Make somebody a provider admin, or take it from them. False if nothing changes."""
    db.execute(
        "UPDATE users SET is_provider_admin = :new WHERE id = :id AND is_provider_admin <> :new",
        {"id": user_id, "new": is_provider_admin},
    )
    return db.changes() == 1


def count_provider_admins(db: apsw.Connection) -> int:
    """Return how many of those who run the server can log in to some org."""
    return int(
        fetch_value(
            db,
            """
            SELECT count(*) FROM users u
             WHERE u.is_provider_admin
               AND EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = u.id AND NOT m.is_disabled)
            """,
            {},
        )
    )


def rename(db: apsw.Connection, user_id: str, name: str) -> None:
    """Change what the person is called."""
    db.execute("UPDATE users SET name = :name WHERE id = :id", {"id": user_id, "name": name})


def retire_email(db: apsw.Connection, user_id: str, email: str) -> None:
    """Give an account that nobody can come in by any more another address.

    So its old one is free.

    What it did is shown under the old one, see `coalesce(former_email, email)`.
    """
    sql = "UPDATE users SET former_email = coalesce(former_email, email), email = :email WHERE id = :id"
    db.execute(sql, {"id": user_id, "email": email})


def set_password(db: apsw.Connection, user_id: str, password_hash: str) -> None:
    """Give the account another password."""
    db.execute("UPDATE users SET password_hash = :hash WHERE id = :id", {"id": user_id, "hash": password_hash})


def rehash_password(db: apsw.Connection, user_id: str, old_hash: str, new_hash: str) -> None:
    """Keep the same password under another hash, unless the password was changed meanwhile."""
    db.execute(
        "UPDATE users SET password_hash = :new_hash WHERE id = :id AND password_hash = :old_hash",
        {"id": user_id, "old_hash": old_hash, "new_hash": new_hash},
    )
