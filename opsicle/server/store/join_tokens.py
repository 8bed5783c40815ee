"""SQL of join tokens. `key` is derived from the token's secret, which itself is nowhere stored."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import from_text, to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, has_changed


class JoinTokenRow(Row, frozen=True):
    """One join token with the org that it leads to.

    `labels` (JSON) are granted; None leaves them to the worker. `uses` of `max_uses` workers have
    enrolled with it.
    """

    id: str
    org_id: str
    org_code: str
    key: bytes
    created_by: str
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None
    is_shared: bool
    is_maker_server_operator: bool
    labels: str | None
    max_uses: int
    uses: int


class OpenJoinTokenRow(Row, frozen=True):
    """A join token that may still be used, without what it is proven by. `labels` is JSON."""

    id: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    labels: str | None
    max_uses: int
    uses: int


class NewJoinTokenRow(Row, frozen=True):
    """A join token to be stored."""

    id: str
    org_id: str
    key: bytes
    created_by: str
    created_at: datetime
    expires_at: datetime
    is_shared: bool = False
    labels: str | None = None
    max_uses: int = 1


def insert(db: apsw.Connection, row: NewJoinTokenRow) -> None:
    """Record a new join token."""
    db.execute(
        """
        INSERT INTO join_tokens (id, org_id, key, created_by, created_at, expires_at, is_shared,
                                 labels, max_uses)
        VALUES (:id, :org_id, :key, :created_by, :created_at, :expires_at, :is_shared, :labels,
                :max_uses)
        """,
        {
            "id": row.id,
            "org_id": row.org_id,
            "key": row.key,
            "created_by": row.created_by,
            "created_at": to_text(row.created_at),
            "expires_at": to_text(row.expires_at),
            "is_shared": row.is_shared,
            "labels": row.labels,
            "max_uses": row.max_uses,
        },
    )


def find(db: apsw.Connection, token_id: str) -> JoinTokenRow | None:
    """Return one join token of any org, used or not; or None."""
    return fetch_one(
        db,
        """
        SELECT t.id, t.org_id, o.code, t.key, t.created_by, t.expires_at, t.used_at, t.revoked_at,
               t.is_shared, u.is_server_operator, t.labels, t.max_uses, t.uses
          FROM join_tokens t
          JOIN orgs o ON o.id = t.org_id
          JOIN users u ON u.id = t.created_by
         WHERE t.id = :id
        """,
        {"id": token_id},
        JoinTokenRow,
    )


def open_until(db: apsw.Connection, org_id: str, at: datetime) -> tuple[int, datetime | None]:
    """Return how many join tokens of an org may still be used, and when the next of them ends."""
    row = db.execute(
        """
        SELECT count(*), min(expires_at)
          FROM join_tokens
         WHERE org_id = :org_id AND uses < max_uses AND expires_at > :at AND revoked_at IS NULL
        """,
        {"org_id": org_id, "at": to_text(at)},
    ).fetchone()
    assert row is not None
    return int(str(row[0])), from_text(str(row[1])) if row[1] else None


def list_open(
    db: apsw.Connection, org_id: str, is_shared: bool, at: datetime
) -> list[OpenJoinTokenRow]:
    """Return the tokens, made in an org, that may still be used: those for shared workers, or not.

    Their number is bounded (see `open_offers.py`).
    """
    return fetch_all(
        db,
        """
        SELECT t.id, u.email, t.created_at, t.expires_at, t.labels, t.max_uses, t.uses
          FROM join_tokens t
          JOIN users u ON u.id = t.created_by
         WHERE t.org_id = :org_id AND t.uses < t.max_uses AND t.expires_at > :at
           AND t.revoked_at IS NULL AND t.is_shared = :is_shared
         ORDER BY t.expires_at, t.id
        """,
        {"org_id": org_id, "is_shared": is_shared, "at": to_text(at)},
        OpenJoinTokenRow,
    )


def use(db: apsw.Connection, token_id: str, worker_id: str, at: datetime) -> bool:
    """Spend one use of a token on a worker.

    Return False if all are spent, its time is over, or it was revoked.
    """
    return has_changed(
        db,
        """
        UPDATE join_tokens
           SET uses = uses + 1,
               used_at = CASE WHEN uses + 1 >= max_uses THEN :at END,
               worker_id = :worker_id
         WHERE id = :id AND uses < max_uses AND expires_at > :at AND revoked_at IS NULL
        """,
        {"id": token_id, "worker_id": worker_id, "at": to_text(at)},
    )


def revoke(db: apsw.Connection, org_id: str, token_id: str, is_shared: bool, at: datetime) -> bool:
    """Let nobody enrol any more by a token that was made in an org.

    Return False if there is none that still could be used.
    """
    return has_changed(
        db,
        """
        UPDATE join_tokens
           SET revoked_at = :at
         WHERE id = :id AND org_id = :org_id AND is_shared = :is_shared AND uses < max_uses
           AND expires_at > :at AND revoked_at IS NULL
        """,
        {"id": token_id, "org_id": org_id, "is_shared": is_shared, "at": to_text(at)},
    )
