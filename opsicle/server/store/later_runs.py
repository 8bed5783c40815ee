"""SQL of automations that go on from another one, or repeat it."""

from __future__ import annotations

import apsw

from opsicle.domain.automations import AutomationState
from opsicle.server.store.rows import Row, fetch_all


class LaterRunRow(Row, frozen=True):
    """An automation that goes on from another one, if it `is_resume`, or else repeats it."""

    id: str
    state: AutomationState
    is_resume: bool


def list_newest(db: apsw.Connection, automation_id: str, limit: int) -> list[LaterRunRow]:
    """Return what goes on from an automation or repeats it, newest first."""
    sql = """
        SELECT id, state, TRUE FROM automations WHERE resumed_from = :id
         UNION ALL
        SELECT id, state, FALSE FROM automations WHERE rerun_of = :id
         ORDER BY 1 DESC LIMIT :limit
    """
    return fetch_all(db, sql, {"id": automation_id, "limit": limit}, LaterRunRow)
