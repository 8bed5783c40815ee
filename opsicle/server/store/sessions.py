"""SQL of sessions: logins of a browser or a command line, kept by the hash of their token."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.domain.access import Role
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_one, fetch_value


class SessionRow(Row, frozen=True):
    """A new session."""

    id: str
    org_id: str
    user_id: str
    kind: str
    token_hash: str
    address: str
    created_at: datetime
    expires_at: datetime


class BearerRow(Row, frozen=True):
    """Who holds a token. `kind` is browser, cli or token; `expires_at` None: never."""

    id: str
    kind: str
    expires_at: datetime | None
    last_used_at: datetime | None
    user_id: str
    email: str
    name: str
    org_id: str
    org_code: str
    role: Role


def insert(db: apsw.Connection, row: SessionRow) -> None:
    """Begin a session."""
    db.execute(
        """
        INSERT INTO sessions (id, org_id, user_id, kind, token_hash, address, created_at, last_used_at, expires_at)
        VALUES (:id, :org_id, :user_id, :kind, :token_hash, :address, :at, :at, :expires_at)
        """,
        {
            "id": row.id,
            "org_id": row.org_id,
            "user_id": row.user_id,
            "kind": row.kind,
            "token_hash": row.token_hash,
            "address": row.address,
            "at": to_text(row.created_at),
            "expires_at": to_text(row.expires_at),
        },
    )


def find_bearer(db: apsw.Connection, token_hash: str) -> BearerRow | None:
    """Whose session this is, None if it is nobody's or that person is disabled."""
    return fetch_one(
        db,
        """
        SELECT s.id, s.kind, s.expires_at, s.last_used_at, u.id, u.email, u.name, o.id, o.code, m.role
          FROM sessions s
          JOIN users u ON u.id = s.user_id
          JOIN orgs o ON o.id = s.org_id
          JOIN memberships m ON m.org_id = s.org_id AND m.user_id = s.user_id
         WHERE s.token_hash = :token_hash AND NOT m.is_disabled
        """,
        {"token_hash": token_hash},
        BearerRow,
    )


def was_used_from(db: apsw.Connection, email: str, address: str) -> bool:
    """Whether this person has logged in from this address before, as far as their sessions tell."""
    return bool(
        fetch_value(
            db,
            """
            SELECT EXISTS (
                SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id
                 WHERE u.email = :email AND s.address = :address
            )
            """,
            {"email": email, "address": address},
        )
    )


def touch(db: apsw.Connection, session_id: str, at: datetime) -> None:
    """Note that a session is in use."""
    db.execute("UPDATE sessions SET last_used_at = :at WHERE id = :id", {"id": session_id, "at": to_text(at)})


def delete(db: apsw.Connection, session_id: str) -> bool:
    """End a session. False if it had ended before."""
    db.execute("DELETE FROM sessions WHERE id = :id", {"id": session_id})
    return db.changes() == 1


def delete_of_member(db: apsw.Connection, org_id: str, user_id: str) -> None:
    """End all sessions of one person in one org."""
    db.execute(
        "DELETE FROM sessions WHERE org_id = :org_id AND user_id = :user_id", {"org_id": org_id, "user_id": user_id}
    )


def delete_expired(db: apsw.Connection, at: datetime) -> None:
    """Forget sessions whose time is over."""
    db.execute("DELETE FROM sessions WHERE expires_at < :at", {"at": to_text(at)})
