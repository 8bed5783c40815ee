"""SQL of sessions: logins of a browser or a command line, kept by the hash of their token."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import apsw

from opsicle.kit.clock import from_text, to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value, has_changed, where


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
    """Who holds a token.

    `kind` is browser, cli or token; `expires_at` None: never; `scopes` None: all they may.
    `is_suspended`: the org is. `is_proven`: whoever made an API token showed a fresh code for it.
    """

    id: str
    kind: str
    expires_at: datetime | None
    last_used_at: datetime | None
    user_id: str
    email: str
    name: str
    org_id: str
    org_code: str
    role: str
    is_server_operator: bool
    is_suspended: bool = False
    scopes: str | None = None
    is_proven: bool = False


def insert(db: apsw.Connection, row: SessionRow) -> None:
    """Begin a session."""
    db.execute(
        """
        INSERT INTO sessions (id, org_id, user_id, kind, token_hash, address, created_at,
                              last_used_at, expires_at)
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
    """Return whose session this is, None if it is nobody's or that person is disabled."""
    return fetch_one(
        db,
        """
        SELECT s.id, s.kind, s.expires_at, s.last_used_at, u.id, u.email, u.name, o.id, o.code,
               m.role, u.is_server_operator, o.suspended_at IS NOT NULL
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
    """Return whether this person has logged in from this address in a session we know."""
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


def find_end(db: apsw.Connection, session_id: str) -> datetime | None:
    """Return when a session ends at the latest, None if it has ended."""
    text = fetch_value(db, "SELECT expires_at FROM sessions WHERE id = :id", {"id": session_id})
    return None if text is None else from_text(str(text))


def touch(db: apsw.Connection, session_id: str, at: datetime) -> None:
    """Note that a session is in use."""
    db.execute(
        "UPDATE sessions SET last_used_at = :at WHERE id = :id",
        {"id": session_id, "at": to_text(at)},
    )


def delete(db: apsw.Connection, session_id: str) -> bool:
    """End a session. Return False if it had ended before."""
    return has_changed(db, "DELETE FROM sessions WHERE id = :id", {"id": session_id})


def delete_beyond(db: apsw.Connection, user_id: str, most: int) -> bool:
    """End those sessions of one person that were used least recently, beyond `most`.

    Return False if there are none.
    """
    db.execute(
        """
        DELETE FROM sessions
         WHERE id IN (SELECT id FROM sessions
                       WHERE user_id = :user_id
                       ORDER BY last_used_at DESC, id DESC LIMIT -1 OFFSET :most)
        """,
        {"user_id": user_id, "most": most},
    )
    return db.changes() > 0


def delete_of_member(db: apsw.Connection, org_id: str, user_id: str) -> None:
    """End all sessions of one person in one org."""
    db.execute(
        "DELETE FROM sessions WHERE org_id = :org_id AND user_id = :user_id",
        {"org_id": org_id, "user_id": user_id},
    )


def delete_expired(db: apsw.Connection, at: datetime) -> None:
    """Forget sessions whose time is over."""
    db.execute("DELETE FROM sessions WHERE expires_at < :at", {"at": to_text(at)})


class OwnSessionRow(Row, frozen=True):
    """A session as its owner sees it."""

    id: str
    kind: Literal["browser", "cli"]
    org_code: str
    address: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime


_SELECT_OWN = """
    SELECT s.id, s.kind, o.code, s.address, s.created_at, s.last_used_at, s.expires_at
      FROM sessions s
      JOIN orgs o ON o.id = s.org_id
"""


def list_of_user(
    db: apsw.Connection,
    user_id: str,
    used_since: tuple[datetime, datetime],
    now: datetime,
    page: tuple[str, int],
) -> list[OwnSessionRow]:
    """Return a person's sessions that are not over, newest first.

    Those of browsers were used since the first time of `used_since`, others since the second.
    `page` is the id before which to begin (empty: at the newest), and how many.
    """
    browser_since, cli_since = used_since
    before_id, limit = page

    which = where(
        "s.user_id = :user_id",
        "s.expires_at > :now",
        "s.last_used_at >= CASE s.kind WHEN 'browser' THEN :browser_since ELSE :cli_since END",
        before_id and "s.id < :before_id",
    )
    return fetch_all(
        db,
        _SELECT_OWN + which + "ORDER BY s.id DESC LIMIT :limit",
        {
            "user_id": user_id,
            "now": to_text(now),
            "browser_since": to_text(browser_since),
            "cli_since": to_text(cli_since),
            "before_id": before_id,
            "limit": limit,
        },
        OwnSessionRow,
    )


def delete_own(db: apsw.Connection, user_id: str, session_id: str) -> bool:
    """End one of a person's sessions. Return False if they have no such session."""
    return has_changed(
        db,
        "DELETE FROM sessions WHERE id = :id AND user_id = :user_id",
        {"id": session_id, "user_id": user_id},
    )


def delete_others(db: apsw.Connection, user_id: str, kept_id: str) -> None:
    """End all sessions of a person, in all orgs, except one; with "" as that one, all of them."""
    db.execute(
        "DELETE FROM sessions WHERE user_id = :user_id AND id <> :kept",
        {"user_id": user_id, "kept": kept_id},
    )


def note_step_up(db: apsw.Connection, session_id: str, at: datetime) -> None:
    """Note that the person behind a session has just shown a code of their app."""
    db.execute(
        "UPDATE sessions SET proven_at = :at WHERE id = :id", {"id": session_id, "at": to_text(at)}
    )


def was_proven_since(db: apsw.Connection, session_id: str, since: datetime) -> bool:
    """Return whether the person behind a session has shown a code since then."""
    sql = "SELECT EXISTS (SELECT 1 FROM sessions WHERE id = :id AND proven_at > :since)"
    return bool(fetch_value(db, sql, {"id": session_id, "since": to_text(since)}))
