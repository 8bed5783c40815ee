"""SQL of invitations: one-time tokens by which people come into an org, kept by their hash."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.domain.channels import DeliveryState
from opsicle.kit.clock import from_text, to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_column, fetch_one, has_changed, where


class NewInvitationRow(Row, frozen=True, kw_only=True):
    """An invitation to be stored."""

    id: str
    org_id: str
    email: str
    role: str
    manager_id: str | None
    token_hash: str
    invited_by: str
    is_by_server_operator: bool
    created_at: datetime
    expires_at: datetime
    delivery_id: str | None = None


class InvitationRow(Row, frozen=True, kw_only=True):
    """An invitation with the names that are shown with it.

    Of one that goes out by e-mail, `delivery_state` and what follows say how that fares; None where
    its delivery is forgotten, as its channel was removed.
    """

    id: str
    org_id: str
    org_code: str
    org_name: str
    email: str
    role: str
    manager_id: str | None
    manager: str | None
    inviter_id: str
    inviter: str
    is_by_server_operator: bool
    created_at: datetime
    expires_at: datetime
    delivery_id: str | None
    delivery_state: DeliveryState | None
    last_error: str | None
    delivered_at: datetime | None


_SELECT = """
    SELECT i.id, o.id, o.code, o.name, i.email, i.role, i.manager_id, manager.email, inviter.id,
           inviter.email, i.is_by_server_operator, i.created_at, i.expires_at, i.delivery_id,
           d.state, d.last_error, d.finished_at
      FROM invitations i
      JOIN orgs o ON o.id = i.org_id
      JOIN users inviter ON inviter.id = i.invited_by
      LEFT JOIN users manager ON manager.id = i.manager_id
      LEFT JOIN deliveries d ON d.id = i.delivery_id AND d.org_id = i.org_id
     WHERE i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > :at
"""


def insert(db: apsw.Connection, row: NewInvitationRow) -> None:
    """Record an invitation."""
    db.execute(
        """
        INSERT INTO invitations (id, org_id, email, role, manager_id, token_hash, invited_by,
                                 is_by_server_operator, created_at, expires_at, delivery_id)
        VALUES (:id, :org_id, :email, :role, :manager_id, :token_hash, :invited_by,
                :is_by_server_operator, :created_at, :expires_at, :delivery_id)
        """,
        {
            "id": row.id,
            "org_id": row.org_id,
            "email": row.email,
            "role": row.role,
            "manager_id": row.manager_id,
            "token_hash": row.token_hash,
            "invited_by": row.invited_by,
            "is_by_server_operator": row.is_by_server_operator,
            "created_at": to_text(row.created_at),
            "expires_at": to_text(row.expires_at),
            "delivery_id": row.delivery_id,
        },
    )


def find_open(db: apsw.Connection, token_hash: str, at: datetime) -> InvitationRow | None:
    """Return the invitation of this token; None if it is nobody's, spent, revoked or too old."""
    parameters = {"token_hash": token_hash, "at": to_text(at)}
    return fetch_one(db, _SELECT + "AND i.token_hash = :token_hash", parameters, InvitationRow)


def find_open_by_id(
    db: apsw.Connection, org_id: str, invitation_id: str, at: datetime
) -> InvitationRow | None:
    """Return one of an org's invitations that may be used, or None."""
    return fetch_one(
        db,
        _SELECT + "AND i.org_id = :org_id AND i.id = :id",
        {"org_id": org_id, "id": invitation_id, "at": to_text(at)},
        InvitationRow,
    )


_TIMES = "SELECT created_at FROM invitations"


def times_emailed(db: apsw.Connection, org_id: str, since: datetime, email: str = "") -> list[str]:
    """Return when an org sent invitations by e-mail, oldest first; to `email` alone if it is given.

    Those that were ended since are among them.
    """
    which = where(
        "org_id = :org_id",
        "delivery_id IS NOT NULL",
        "created_at > :since",
        email and "email = :email",
    )
    return fetch_column(
        db,
        f"{_TIMES}{which}ORDER BY created_at",
        {"org_id": org_id, "since": to_text(since), "email": email},
    )


def list_open(
    db: apsw.Connection, org_id: str, at: datetime, before_id: str, limit: int
) -> list[InvitationRow]:
    """Return an org's open invitations, newest first, older than `before_id` (empty: all)."""
    older = "AND i.id < :before " if before_id else ""
    return fetch_all(
        db,
        _SELECT + "AND i.org_id = :org_id " + older + "ORDER BY i.id DESC LIMIT :limit",
        {"org_id": org_id, "at": to_text(at), "before": before_id, "limit": limit},
        InvitationRow,
    )


def open_until(db: apsw.Connection, org_id: str, at: datetime) -> tuple[int, datetime | None]:
    """Return how many invitations of an org may still be used, and when the next of them ends."""
    row = db.execute(
        """
        SELECT count(*), min(expires_at)
          FROM invitations
         WHERE org_id = :org_id AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > :at
        """,
        {"org_id": org_id, "at": to_text(at)},
    ).fetchone()
    assert row is not None
    return int(str(row[0])), from_text(str(row[1])) if row[1] else None


def renew_token(
    db: apsw.Connection, org_id: str, delivery_id: str, token_hash: str, at: datetime
) -> bool:
    """Give the invitation of an org's delivery another link; the one before is good no longer.

    Return False if it may not be used any more.
    """
    return has_changed(
        db,
        """
        UPDATE invitations
           SET token_hash = :token_hash
         WHERE delivery_id = :delivery_id
           AND org_id = :org_id
           AND accepted_at IS NULL
           AND revoked_at IS NULL
           AND expires_at > :at
        """,
        {
            "org_id": org_id,
            "delivery_id": delivery_id,
            "token_hash": token_hash,
            "at": to_text(at),
        },
    )


def accept(db: apsw.Connection, invitation_id: str, user_id: str, at: datetime) -> bool:
    """Spend an invitation. Return False if someone was first, or it is revoked or too old."""
    return has_changed(
        db,
        """
        UPDATE invitations
           SET accepted_at = :at, accepted_by = :user_id
         WHERE id = :id AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > :at
        """,
        {"id": invitation_id, "user_id": user_id, "at": to_text(at)},
    )


def revoke(db: apsw.Connection, org_id: str, invitation_id: str, at: datetime) -> bool:
    """End one of an org's invitations. Return False if there is none that may still be used."""
    return has_changed(
        db,
        """
        UPDATE invitations
           SET revoked_at = :at
         WHERE org_id = :org_id
           AND id = :id
           AND accepted_at IS NULL
           AND revoked_at IS NULL
           AND expires_at > :at
        """,
        {"org_id": org_id, "id": invitation_id, "at": to_text(at)},
    )


def revoke_of(db: apsw.Connection, org_id: str, email: str, at: datetime) -> None:
    """End whatever invitation a person has into an org, used up by time or not."""
    db.execute(
        """
        UPDATE invitations
           SET revoked_at = :at
         WHERE org_id = :org_id AND email = :email AND accepted_at IS NULL AND revoked_at IS NULL
        """,
        {"org_id": org_id, "email": email, "at": to_text(at)},
    )
