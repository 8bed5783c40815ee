"""SQL of removing automations that ended long ago, with all that refers to them.

`ids` are always those of automations.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from opsicle.domain.automations import FINAL, UNFINISHED, AutomationState
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import (
    Row,
    fetch_all,
    fetch_column,
    fetch_value,
    index_condition,
    is_one_of,
    json_list,
)


class PrunableRow(Row, frozen=True):
    """One automation; `size` is what of it can be long, in bytes. Times are as they are stored."""

    id: str
    template_id: str
    state: AutomationState
    created_at: str
    finished_at: str | None
    is_approved_run: bool
    size: int


def list_oldest(db: apsw.Connection, org_id: str, after_id: str, limit: int) -> list[PrunableRow]:
    """Return an org's automations after an id, in the order in which they were triggered."""
    return fetch_all(
        db,
        """
        SELECT id, template_id, state, created_at, finished_at,
               approved_at IS NOT NULL AND started_at IS NOT NULL,
               length(values_json) + length(reason) + length(explanation)
               + coalesce((SELECT sum(length(phases) + length(explanation))
                             FROM jobs
                            WHERE automation_id = a.id), 0)
               + coalesce((SELECT length(ciphertext)
                             FROM sealed_values
                            WHERE automation_id = a.id), 0)
          FROM automations a
         WHERE org_id = :org_id AND id > :after_id
         ORDER BY id LIMIT :limit
        """,
        {"org_id": org_id, "after_id": after_id, "limit": limit},
        PrunableRow,
    )


def count_ended(db: apsw.Connection, org_id: str) -> int:
    """Return how many automations of an org have ended. Goes through all of them."""
    sql = f"""
        SELECT count(*)
          FROM automations
         WHERE org_id = :org_id AND {is_one_of(FINAL)} AND {index_condition(FINAL)}
    """  # noqa: S608 - a literal
    return int(fetch_value(db, sql, {"org_id": org_id}))


def list_awaiting(db: apsw.Connection, org_id: str, template_id: str) -> list[str]:
    """Return the automations of a template that wait for approval."""
    return fetch_column(
        db,
        f"""
        SELECT id
          FROM automations
         WHERE org_id = :org_id AND state = 'awaiting_approval'
           AND {index_condition(UNFINISHED)}
           AND +template_id = :template_id
        """,  # noqa: S608 - a literal
        {"org_id": org_id, "template_id": template_id},
    )


def list_jobs(db: apsw.Connection, ids: Sequence[str]) -> list[str]:
    """Return the jobs of automations."""
    return fetch_column(
        db,
        "SELECT id FROM jobs WHERE automation_id IN (SELECT value FROM json_each(:ids))",
        _given(ids),
    )


def allow(db: apsw.Connection, org_id: str, removed_to: str, at: datetime) -> None:
    """Let automations up to this one be removed.

    Until this is said, the database itself refuses it.
    """
    db.execute(
        """
        INSERT INTO removals (org_id, removed_to, at)
        VALUES (:org_id, :removed_to, :at)
        ON CONFLICT (org_id) DO UPDATE SET removed_to = max(removed_to, :removed_to), at = :at
        """,
        {"org_id": org_id, "removed_to": removed_to, "at": to_text(at)},
    )


def delete_dependents(db: apsw.Connection, ids: Sequence[str]) -> None:
    """Remove what refers to automations, not those themselves; their reruns no longer name them."""
    for statement in _DEPENDENTS:
        db.execute(statement, _given(ids))


_DEPENDENTS = (
    "DELETE FROM sealed_values WHERE automation_id IN (SELECT value FROM json_each(:ids))",
    "DELETE FROM deliveries WHERE automation_id IN (SELECT value FROM json_each(:ids))",
    """
    DELETE FROM approval_decisions
     WHERE approval_id IN (SELECT id FROM approvals
                            WHERE automation_id IN (SELECT value FROM json_each(:ids)))
    """,
    "DELETE FROM approvals WHERE automation_id IN (SELECT value FROM json_each(:ids))",
    "DELETE FROM automation_files WHERE automation_id IN (SELECT value FROM json_each(:ids))",
    "DELETE FROM artifacts WHERE automation_id IN (SELECT value FROM json_each(:ids))",
    """
    DELETE FROM calls
     WHERE wait_id IN (SELECT id FROM call_waits
                        WHERE automation_id IN (SELECT value FROM json_each(:ids)))
    """,
    "DELETE FROM call_waits WHERE automation_id IN (SELECT value FROM json_each(:ids))",
    "DELETE FROM fan_out_members WHERE parent_id IN (SELECT value FROM json_each(:ids))",
    """
    DELETE FROM orders
     WHERE job_id IN (SELECT id FROM jobs
                       WHERE automation_id IN (SELECT value FROM json_each(:ids)))
    """,
    "DELETE FROM jobs WHERE automation_id IN (SELECT value FROM json_each(:ids))",
    "DELETE FROM chain_starts WHERE parent_id IN (SELECT value FROM json_each(:ids))",
    "UPDATE automations SET rerun_of = NULL WHERE rerun_of IN (SELECT value FROM json_each(:ids))",
)


def delete(db: apsw.Connection, ids: Sequence[str]) -> int:
    """Remove automations to which nothing refers any more; return how many there were."""
    db.execute(
        "DELETE FROM automations WHERE id IN (SELECT value FROM json_each(:ids))", _given(ids)
    )
    return db.changes()


def _given(ids: Sequence[str]) -> dict[str, str]:
    return {"ids": json_list(ids)}
