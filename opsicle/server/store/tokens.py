"""SQL of API tokens, kept by their hash."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value, has_changed, where
from opsicle.server.store.sessions import BearerRow


class TokenRow(Row, frozen=True):
    """One token, without its secret part."""

    id: str
    name: str
    prefix: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    scopes: str | None = None
    is_proven: bool = False


def insert(db: apsw.Connection, org_id: str, user_id: str, row: TokenRow, token_hash: str) -> None:
    """Record a new token."""
    db.execute(
        """
        INSERT INTO tokens (id, org_id, user_id, name, token_hash, prefix, created_at, expires_at,
                            scopes, is_proven)
        VALUES (:id, :org_id, :user_id, :name, :token_hash, :prefix, :created_at, :expires_at,
                :scopes, :is_proven)
        """,
        {
            "id": row.id,
            "org_id": org_id,
            "user_id": user_id,
            "name": row.name,
            "token_hash": token_hash,
            "prefix": row.prefix,
            "created_at": to_text(row.created_at),
            "expires_at": to_text(row.expires_at) if row.expires_at else None,
            "scopes": row.scopes,
            "is_proven": row.is_proven,
        },
    )


def find_bearer(db: apsw.Connection, token_hash: str) -> BearerRow | None:
    """Return whose token this is, or None.

    It is nobody's, too, if that account or its owner is disabled or gone.
    """
    return fetch_one(
        db,
        """
        SELECT t.id, 'token', t.expires_at, t.last_used_at, u.id, u.email, u.name, o.id, o.code,
               m.role, u.is_server_operator, o.suspended_at IS NOT NULL, t.scopes, t.is_proven
          FROM tokens t
          JOIN users u ON u.id = t.user_id
          JOIN orgs o ON o.id = t.org_id
          JOIN memberships m ON m.org_id = t.org_id AND m.user_id = t.user_id
          JOIN enabled_members e ON e.org_id = t.org_id AND e.user_id = t.user_id
         WHERE t.token_hash = :token_hash
        """,
        {"token_hash": token_hash},
        BearerRow,
    )


_SELECT = "SELECT id, name, prefix, created_at, expires_at, last_used_at, scopes FROM tokens"


def list_of_member(
    db: apsw.Connection, org_id: str, user_id: str, before_id: str, limit: int
) -> list[TokenRow]:
    """Return one person's tokens in one org, newest first, older than `before_id` (empty: all)."""
    which = where("org_id = :org_id", "user_id = :user_id", before_id and "id < :before_id")
    return fetch_all(
        db,
        _SELECT + which + "ORDER BY id DESC LIMIT :limit",
        {"org_id": org_id, "user_id": user_id, "before_id": before_id, "limit": limit},
        TokenRow,
    )


def count_of_member(db: apsw.Connection, org_id: str, user_id: str) -> int:
    """Return how many tokens one person has in one org."""
    sql = "SELECT count(*) FROM tokens WHERE org_id = :org_id AND user_id = :user_id"
    return int(fetch_value(db, sql, {"org_id": org_id, "user_id": user_id}))


def touch(db: apsw.Connection, token_id: str, at: datetime) -> None:
    """Note that a token is in use."""
    db.execute(
        "UPDATE tokens SET last_used_at = :at WHERE id = :id", {"id": token_id, "at": to_text(at)}
    )


def find_holder(db: apsw.Connection, org_id: str, token_id: str) -> str | None:
    """Return the id of the account that a token acts for, or None."""
    sql = "SELECT user_id FROM tokens WHERE id = :id AND org_id = :org_id"
    holder = fetch_value(db, sql, {"id": token_id, "org_id": org_id})
    return None if holder is None else str(holder)


def delete(db: apsw.Connection, org_id: str, user_id: str, token_id: str) -> bool:
    """End one of a person's tokens. Return False if they have no such token."""
    return has_changed(
        db,
        "DELETE FROM tokens WHERE id = :id AND org_id = :org_id AND user_id = :user_id",
        {"id": token_id, "org_id": org_id, "user_id": user_id},
    )


def delete_of_member(db: apsw.Connection, org_id: str, user_id: str) -> None:
    """End all tokens of one person in one org."""
    db.execute(
        "DELETE FROM tokens WHERE org_id = :org_id AND user_id = :user_id",
        {"org_id": org_id, "user_id": user_id},
    )
