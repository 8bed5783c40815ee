"""SQL of what automations start once they have ended; a trigger of the table says when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from opsicle.domain.calls import ChainEvent, ChainState
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, has_changed


class ChainStartRow(Row, frozen=True):
    """One start after an automation's end, and the state of what it has started."""

    parent_id: str
    position: int
    org_id: str
    event: ChainEvent
    template: str
    state: ChainState = ChainState.WAITING
    reason: str = ""
    automation_id: str | None = None
    automation_state: str | None = None


_SELECT = """
    SELECT c.parent_id, c.position, c.org_id, c.event, c.template, c.state, c.reason,
           c.automation_id, a.state
      FROM chain_starts c
      LEFT JOIN automations a ON a.id = c.automation_id
"""


def insert(db: apsw.Connection, row: ChainStartRow) -> None:
    """Record what a new automation is to start once it has ended."""
    db.execute(
        """
        INSERT INTO chain_starts (parent_id, position, org_id, event, template, state)
        VALUES (:parent_id, :position, :org_id, :event, :template, 'waiting')
        """,
        {
            "parent_id": row.parent_id,
            "position": row.position,
            "org_id": row.org_id,
            "event": row.event,
            "template": row.template,
        },
    )


def list_of(db: apsw.Connection, parent_id: str) -> Sequence[ChainStartRow]:
    """Return what an automation starts, in the order of its template."""
    where = "WHERE c.parent_id = :parent_id ORDER BY c.position"
    return fetch_all(db, _SELECT + where, {"parent_id": parent_id}, ChainStartRow)


def list_due(db: apsw.Connection, limit: int) -> Sequence[ChainStartRow]:
    """Return what is to be started in all orgs, what was triggered first before the others."""
    where = "WHERE c.state = 'due' ORDER BY c.parent_id, c.position LIMIT :limit"
    return fetch_all(db, _SELECT + where, {"limit": limit}, ChainStartRow)


def record_outcome(
    db: apsw.Connection,
    row: ChainStartRow,
    state: ChainState,
    at: datetime,
    *,
    reason: str = "",
    automation_id: str | None = None,
) -> bool:
    """Record what has come of a start that is due. Return False if someone was first."""
    return has_changed(
        db,
        """
        UPDATE chain_starts
           SET state = :state, reason = :reason, automation_id = :automation_id, at = :at
         WHERE parent_id = :parent_id AND position = :position AND state = 'due'
        """,
        {
            "parent_id": row.parent_id,
            "position": row.position,
            "state": state,
            "reason": reason,
            "automation_id": automation_id,
            "at": to_text(at),
        },
    )
