"""SQL of join tokens. `key` is derived from the token's secret, which itself is nowhere stored."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import from_text, to_text
from opsicle.server.store.rows import Row, fetch_one, has_changed


class JoinTokenRow(Row, frozen=True):
    """One join token with the org that it leads to.

    `labels` (JSON) are granted; None leaves them to the worker.
    """

    id: str
    org_id: str
    org_code: str
    key: bytes
    expires_at: datetime
    used_at: datetime | None
    is_shared: bool
    is_maker_server_operator: bool
    labels: str | None


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


def insert(db: apsw.Connection, row: NewJoinTokenRow) -> None:
    """Record a new join token."""
    db.execute(
        """
        INSERT INTO join_tokens (id, org_id, key, created_by, created_at, expires_at, is_shared,
                                 labels)
        VALUES (:id, :org_id, :key, :created_by, :created_at, :expires_at, :is_shared, :labels)
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
        },
    )


def find(db: apsw.Connection, token_id: str) -> JoinTokenRow | None:
    """Return one join token of any org, used or not; or None."""
    return fetch_one(
        db,
        """
        SELECT t.id, t.org_id, o.code, t.key, t.expires_at, t.used_at, t.is_shared,
               u.is_server_operator, t.labels
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
         WHERE org_id = :org_id AND used_at IS NULL AND expires_at > :at
        """,
        {"org_id": org_id, "at": to_text(at)},
    ).fetchone()
    assert row is not None
    return int(str(row[0])), from_text(str(row[1])) if row[1] else None


def use(db: apsw.Connection, token_id: str, worker_id: str, at: datetime) -> bool:
    """Spend a token on a worker. Return False if it has been spent or its time is over."""
    return has_changed(
        db,
        """
        UPDATE join_tokens
           SET used_at = :at, worker_id = :worker_id
         WHERE id = :id AND used_at IS NULL AND expires_at > :at
        """,
        {"id": token_id, "worker_id": worker_id, "at": to_text(at)},
    )
