"""SQL of users: a person's account on this server, whatever orgs they belong to."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value, has_changed


class UserRow(Row, frozen=True):
    """One account. E-mail addresses are kept in lower case."""

    id: str
    email: str
    name: str
    password_hash: str
    is_server_operator: bool = False


class DisplayRow(Row, frozen=True):
    """How somebody wants to read the pages."""

    language: str
    time_zone: str
    times: str


_SELECT = "SELECT id, email, name, password_hash, is_server_operator FROM users "


def insert(db: apsw.Connection, row: UserRow, at: datetime) -> None:
    """Record a new account."""
    db.execute(
        """
        INSERT INTO users (id, email, name, password_hash, is_server_operator, created_at)
        VALUES (:id, :email, :name, :password_hash, :is_server_operator, :at)
        """,
        {
            "id": row.id,
            "email": row.email,
            "name": row.name,
            "password_hash": row.password_hash,
            "is_server_operator": row.is_server_operator,
            "at": to_text(at),
        },
    )


def find_by_email(db: apsw.Connection, email: str) -> UserRow | None:
    """Return one account by its address, or None."""
    return fetch_one(db, _SELECT + "WHERE email = :key", {"key": email}, UserRow)


def find(db: apsw.Connection, id_or_email: str) -> UserRow | None:
    """Return one account by its id or address, or None."""
    return fetch_one(db, _SELECT + "WHERE id = :key OR email = :key", {"key": id_or_email}, UserRow)


def list_server_operators(db: apsw.Connection, after_email: str, limit: int) -> list[UserRow]:
    """Return who runs the server, by address, from the first one after `after_email`."""
    return fetch_all(
        db,
        _SELECT + "WHERE is_server_operator AND email > :after ORDER BY email LIMIT :limit",
        {"after": after_email, "limit": limit},
        UserRow,
    )


def set_server_operator(db: apsw.Connection, user_id: str, is_server_operator: bool) -> bool:
    """Make somebody a server operator, or take it from them. Return False if nothing changes."""
    return has_changed(
        db,
        "UPDATE users SET is_server_operator = :new WHERE id = :id AND is_server_operator <> :new",
        {"id": user_id, "new": is_server_operator},
    )


def count_server_operators(db: apsw.Connection) -> int:
    """Return how many of those who run the server can log in to some org."""
    return int(
        fetch_value(
            db,
            """
            SELECT count(*)
              FROM users u
             WHERE u.is_server_operator
               AND EXISTS (SELECT 1 FROM memberships m WHERE m.user_id = u.id AND NOT m.is_disabled)
            """,
            {},
        )
    )


def rename(db: apsw.Connection, user_id: str, name: str) -> None:
    """Change what the person is called."""
    db.execute("UPDATE users SET name = :name WHERE id = :id", {"id": user_id, "name": name})


def get_display(db: apsw.Connection, user_id: str) -> DisplayRow:
    """Return how somebody wants to read the pages."""
    sql = "SELECT language, time_zone, times FROM users WHERE id = :id"
    return fetch_all(db, sql, {"id": user_id}, DisplayRow)[0]


def set_display(db: apsw.Connection, user_id: str, row: DisplayRow) -> None:
    """Keep how somebody wants to read the pages."""
    db.execute(
        """
        UPDATE users SET language = :language, time_zone = :time_zone, times = :times
         WHERE id = :id
        """,
        {"id": user_id, "language": row.language, "time_zone": row.time_zone, "times": row.times},
    )


def retire_email(db: apsw.Connection, user_id: str, email: str) -> None:
    """Give another address to an account that nobody can use any more, so that its own is free.

    What it did is still shown under the old one, see `coalesce(former_email, email)`.
    """
    sql = """
        UPDATE users
           SET former_email = coalesce(former_email, email), email = :email
         WHERE id = :id
    """
    db.execute(sql, {"id": user_id, "email": email})


def set_password(db: apsw.Connection, user_id: str, password_hash: str) -> None:
    """Give the account another password."""
    db.execute(
        "UPDATE users SET password_hash = :hash WHERE id = :id",
        {"id": user_id, "hash": password_hash},
    )


def rehash_password(db: apsw.Connection, user_id: str, old_hash: str, new_hash: str) -> None:
    """Keep the same password under another hash, unless the password was changed meanwhile."""
    db.execute(
        "UPDATE users SET password_hash = :new_hash WHERE id = :id AND password_hash = :old_hash",
        {"id": user_id, "old_hash": old_hash, "new_hash": new_hash},
    )
