"""Whether an org is suspended, by the database of the transaction that would start something."""

from __future__ import annotations

from opsicle.domain.errors import Suspended
from opsicle.server.store import suspensions
from opsicle.server.store.database import Connection


def suspension_text(db: Connection, org_id: str) -> str:
    """Say that an org is suspended, when it is deleted, and why; "" if it is not.

    Somebody's words come last, so that whoever translates knows where they end.
    """
    row = suspensions.find(db, org_id)
    if row.suspended_at is None:
        return ""
    text = "the org is suspended"
    if row.delete_at:
        text = f"the org is suspended, and is deleted on {row.delete_at:%Y-%m-%d}"
    return f"{text}: {row.reason}" if row.reason else text


def require_active(db: Connection, org_id: str) -> None:
    """Raise Suspended where an org is to start nothing."""
    if text := suspension_text(db, org_id):
        raise Suspended.because(text)
