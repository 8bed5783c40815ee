"""SQL of automations that are to begin at a time, and have not."""

from __future__ import annotations

import apsw

from opsicle.server.store.automations import SELECT, AutomationRow
from opsicle.server.store.rows import fetch_all, where

_LAST = "SELECT b.start_at, b.id FROM automations b WHERE b.org_id = :org_id AND b.id = :after_id"


def list_next(db: apsw.Connection, org_id: str, after_id: str, limit: int) -> list[AutomationRow]:
    """Return a page of what has not begun, by when it is to: what comes after an automation.

    "": from the first on.
    """
    page = where(
        "a.org_id = :org_id",
        "a.start_at IS NOT NULL",
        "a.state IN ('awaiting_approval', 'queued')",
        after_id and f"(a.start_at, a.id) > ({_LAST})",
    )
    return fetch_all(
        db,
        f"{SELECT} {page} ORDER BY a.start_at, a.id LIMIT :limit",
        {"org_id": org_id, "after_id": after_id, "limit": limit},
        AutomationRow,
    )
