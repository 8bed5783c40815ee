"""SQL of automations that run on several machines one by one, and of those machines.

A trigger of the table notes the end of a machine's automation, whichever statement ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from opsicle.domain.automations import AutomationState
from opsicle.domain.bound_fan_outs import MemberState
from opsicle.kit.clock import to_text
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.rows import Row, fetch_all, fetch_one, has_changed


class FanOutRow(Row, frozen=True):
    """An automation that is to begin on its machines, or runs on them."""

    id: str
    org_id: str
    state: AutomationState
    turn: str


class FanOutMemberRow(Row, frozen=True):
    """One machine. `at` is when its automation was made, or will not be any more.

    The last five are those of that automation; None without one.
    """

    parent_id: str
    position: int
    org_id: str
    name: str
    state: MemberState
    reason: str
    automation_id: str | None
    at: datetime | None
    automation_state: AutomationState | None
    exit_code: int | None
    explanation: str | None
    started_at: datetime | None
    finished_at: datetime | None


def list_open(db: apsw.Connection, limit: int) -> Sequence[FanOutRow]:
    """Return what waits to begin on its machines, or runs on them, of all orgs."""
    return fetch_all(
        db,
        """
        SELECT id, org_id, state, turn
          FROM automations
         WHERE fan_out <> '' AND state IN ('queued', 'running')
         ORDER BY id LIMIT :limit
        """,
        {"limit": limit},
        FanOutRow,
    )


def find_open(db: apsw.Connection, automation_id: str) -> FanOutRow | None:
    """Return an automation if it waits to begin on several machines, or runs on them."""
    return fetch_one(
        db,
        """
        SELECT id, org_id, state, turn
          FROM automations
         WHERE id = :id AND fan_out <> '' AND state IN ('queued', 'running')
        """,
        {"id": automation_id},
        FanOutRow,
    )


def insert(db: apsw.Connection, parent: AutomationRow, position: int, name: str) -> None:
    """Record that an automation is to be made for a machine."""
    db.execute(
        """
        INSERT INTO fan_out_members (parent_id, position, org_id, name, state)
        VALUES (:parent_id, :position, :org_id, :name, 'due')
        """,
        {"parent_id": parent.id, "position": position, "org_id": parent.org_id, "name": name},
    )


def list_of(db: apsw.Connection, parent_id: str) -> Sequence[FanOutMemberRow]:
    """Return the machines of an automation, in their order."""
    return fetch_all(
        db,
        """
        SELECT m.parent_id, m.position, m.org_id, m.name, m.state, m.reason, m.automation_id, m.at,
               a.state, a.exit_code, a.explanation, a.started_at, a.finished_at
          FROM fan_out_members m
          LEFT JOIN automations a ON a.id = m.automation_id
         WHERE m.parent_id = :parent_id
         ORDER BY m.position
        """,
        {"parent_id": parent_id},
        FanOutMemberRow,
    )


def claim(db: apsw.Connection, row: FanOutMemberRow, automation_id: str, at: datetime) -> bool:
    """Use a machine up for an automation that is made in the same transaction.

    Return False if someone was first, or the whole is over or being cancelled.
    """
    return has_changed(
        db,
        """
        UPDATE fan_out_members
           SET state = 'started', automation_id = :automation_id, at = :at
         WHERE parent_id = :parent_id AND position = :position AND state = 'due'
           AND EXISTS (SELECT 1
                         FROM automations
                        WHERE id = :parent_id AND state = 'running' AND cancel_requested_at IS NULL)
        """,
        {
            "parent_id": row.parent_id,
            "position": row.position,
            "automation_id": automation_id,
            "at": to_text(at),
        },
    )


def end_unstarted(
    db: apsw.Connection, row: FanOutMemberRow, state: MemberState, reason: str, at: datetime
) -> bool:
    """Record why no automation is made for a machine. Return False if one is, or that is known."""
    return has_changed(
        db,
        """
        UPDATE fan_out_members
           SET state = :state, reason = :reason, at = :at
         WHERE parent_id = :parent_id AND position = :position AND state = 'due'
        """,
        {
            "parent_id": row.parent_id,
            "position": row.position,
            "state": state,
            "reason": reason,
            "at": to_text(at),
        },
    )
