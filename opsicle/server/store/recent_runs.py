"""SQL of how the newest automations of a template went."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.domain.automations import AutomationState
from opsicle.server.store.rows import Row, fetch_all


class RunRow(Row, frozen=True):
    """One automation of a template, with no more than what says whose it is and how it went."""

    id: str
    template_id: str
    template: str
    version: int
    requester_id: str
    state: AutomationState
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def list_newest(db: apsw.Connection, org_id: str, template: str, limit: int) -> list[RunRow]:
    """Return the newest automations of the templates of that name, newest first."""
    return fetch_all(
        db,
        """
        SELECT id, template_id, template, version, requester_id, state, created_at, started_at,
               finished_at
          FROM automations
         WHERE org_id = :org_id AND template = :template
         ORDER BY id DESC LIMIT :limit
        """,
        {"org_id": org_id, "template": template, "limit": limit},
        RunRow,
    )
