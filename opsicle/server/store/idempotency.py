"""SQL of idempotency keys: what a request that may be sent again has already brought about."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_one


class IdempotencyRow(Row, frozen=True):
    """What was asked under a key, by its digest, and the id of what came of it."""

    request_digest: str
    resource: str


def find(db: apsw.Connection, org_id: str, user_id: str, key: str) -> IdempotencyRow | None:
    """Return what this person's key has brought about, or None."""
    return fetch_one(
        db,
        """
        SELECT request_digest, resource
          FROM idempotency_keys
         WHERE org_id = :org_id AND user_id = :user_id AND key = :key
        """,
        {"org_id": org_id, "user_id": user_id, "key": key},
        IdempotencyRow,
    )


def insert(
    db: apsw.Connection, org_id: str, user_id: str, key: str, row: IdempotencyRow, at: datetime
) -> None:
    """Remember what a key has brought about."""
    db.execute(
        """
        INSERT INTO idempotency_keys (org_id, user_id, key, request_digest, resource, created_at)
        VALUES (:org_id, :user_id, :key, :request_digest, :resource, :at)
        """,
        {
            "org_id": org_id,
            "user_id": user_id,
            "key": key,
            "request_digest": row.request_digest,
            "resource": row.resource,
            "at": to_text(at),
        },
    )


def delete_before(db: apsw.Connection, at: datetime, limit: int) -> int:
    """Forget up to `limit` keys that nobody will send again; return how many there were."""
    db.execute(
        """
        DELETE FROM idempotency_keys
         WHERE (org_id, user_id, key) IN (
               SELECT org_id, user_id, key FROM idempotency_keys
                WHERE created_at < :at ORDER BY created_at LIMIT :limit)
        """,
        {"at": to_text(at), "limit": limit},
    )
    return db.changes()
