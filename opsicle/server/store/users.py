"""SQL of users: a person's account on this server, whatever orgs they belong to."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_one


class UserRow(Row, frozen=True):
    """One account. E-mail addresses are kept in lower case."""

    id: str
    email: str
    name: str
    password_hash: str


def insert(db: apsw.Connection, row: UserRow, at: datetime) -> None:
    """Record a new account."""
    db.execute(
        """
        INSERT INTO users (id, email, name, password_hash, created_at)
        VALUES (:id, :email, :name, :password_hash, :at)
        """,
        {"id": row.id, "email": row.email, "name": row.name, "password_hash": row.password_hash, "at": to_text(at)},
    )


def find_by_email(db: apsw.Connection, email: str) -> UserRow | None:
    """One account by its address, or None."""
    sql = "SELECT id, email, name, password_hash FROM users WHERE email = :email"
    return fetch_one(db, sql, {"email": email}, UserRow)


def rename(db: apsw.Connection, user_id: str, name: str) -> None:
    """Change what the person is called."""
    db.execute("UPDATE users SET name = :name WHERE id = :id", {"id": user_id, "name": name})


def set_password(db: apsw.Connection, user_id: str, password_hash: str) -> None:
    """Give the account another password."""
    db.execute("UPDATE users SET password_hash = :hash WHERE id = :id", {"id": user_id, "hash": password_hash})


def rehash_password(db: apsw.Connection, user_id: str, old_hash: str, new_hash: str) -> None:
    """Keep the same password under another hash, unless the password was changed meanwhile."""
    db.execute(
        "UPDATE users SET password_hash = :new_hash WHERE id = :id AND password_hash = :old_hash",
        {"id": user_id, "old_hash": old_hash, "new_hash": new_hash},
    )
