"""SQL of password resets.

One-time tokens with which a person sets a new password, kept by their hash.
"""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_one, has_changed


class ResetRow(Row, frozen=True):
    """Whose password a token may set, and the org whose admin has made it."""

    user_id: str
    email: str
    name: str
    org_id: str


def put(
    db: apsw.Connection, org_id: str, user_id: str, token_hash: str, expires_at: datetime
) -> None:
    """Keep a person's token; an earlier one is good no longer."""
    db.execute(
        """
        INSERT INTO password_resets (user_id, org_id, token_hash, expires_at)
        VALUES (:user_id, :org_id, :token_hash, :expires_at)
        ON CONFLICT (user_id) DO UPDATE
           SET org_id = :org_id, token_hash = :token_hash, expires_at = :expires_at
        """,
        {
            "user_id": user_id,
            "org_id": org_id,
            "token_hash": token_hash,
            "expires_at": to_text(expires_at),
        },
    )


def find(db: apsw.Connection, token_hash: str, at: datetime) -> ResetRow | None:
    """Return whose token this is.

    Return None if it is nobody's, too old, or of somebody who no longer belongs to the org.
    """
    return fetch_one(
        db,
        """
        SELECT u.id, u.email, u.name, r.org_id
          FROM password_resets r
          JOIN users u ON u.id = r.user_id
          JOIN memberships m ON m.org_id = r.org_id AND m.user_id = r.user_id
         WHERE r.token_hash = :token_hash AND r.expires_at > :at AND NOT m.is_disabled
        """,
        {"token_hash": token_hash, "at": to_text(at)},
        ResetRow,
    )


def delete_of_user(db: apsw.Connection, user_id: str) -> bool:
    """End a person's token. Return False if there was none."""
    return has_changed(
        db, "DELETE FROM password_resets WHERE user_id = :user_id", {"user_id": user_id}
    )
