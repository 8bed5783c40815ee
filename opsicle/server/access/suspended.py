"""Whether an org is suspended, by the database of the transaction that would start something."""

from __future__ import annotations

from opsicle.domain.errors import Suspended
from opsicle.server.store import suspensions
from opsicle.server.store.database import Connection


def suspension_text(db: Connection, org_id: str) -> str:
    """Say that an org is suspended, why, and when it is deleted; "" if it is not."""
    row = suspensions.find(db, org_id)
    if row.suspended_at is None:
        return ""
    text = "the org is suspended" + (f": {row.reason}" if row.reason else "")
    return f"{text}; it is deleted on {row.delete_at:%Y-%m-%d}" if row.delete_at else text


def require_active(db: Connection, org_id: str) -> None:
    """Raise Suspended where an org is to start nothing."""
    if text := suspension_text(db, org_id):
        raise Suspended.because(text)
