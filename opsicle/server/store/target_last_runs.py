"""SQL of how each template last ended on each target, and which version last succeeded there.

A trigger of the table of automations keeps it, whichever statement ends one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw

from opsicle.domain.automations import AutomationState
from opsicle.server.store.rows import Row, fetch_all, json_list


class TargetLastRunRow(Row, frozen=True):
    """How a template last ended on a target.

    What begins with `succeeded` is of its last success there, None if it never had one. An
    automation is None once it has been removed.
    """

    target_id: str
    template_id: str
    template: str
    latest_version: int
    automation_id: str | None
    version: int
    state: AutomationState
    ended_at: datetime
    succeeded_id: str | None
    succeeded_version: int | None
    succeeded_at: datetime | None


def list_of_targets(
    db: apsw.Connection, org_id: str, target_ids: Sequence[str], template: str = ""
) -> list[TargetLastRunRow]:
    """Return them for some targets, of the templates in use or of one, in no order."""
    only = "AND t.name = :template" if template else ""
    return fetch_all(
        db,
        f"""
        SELECT l.target_id, l.template_id, t.name, t.latest_version, a.id, l.version, l.state,
               l.ended_at, b.id, s.version, s.ended_at
          FROM json_each(:target_ids) i
         CROSS JOIN target_last_runs l ON l.org_id = :org_id AND l.target_id = i.value
                                          AND l.outcome = 'any'
          JOIN templates t ON t.id = l.template_id AND t.org_id = l.org_id
                              AND t.deleted_at IS NULL {only}
          LEFT JOIN target_last_runs s ON s.org_id = l.org_id AND s.target_id = l.target_id
                                          AND s.template_id = l.template_id
                                          AND s.outcome = 'succeeded'
          LEFT JOIN automations a ON a.id = l.automation_id AND a.org_id = l.org_id
          LEFT JOIN automations b ON b.id = s.automation_id AND b.org_id = s.org_id
        """,  # noqa: S608 - a literal of this file
        {"org_id": org_id, "target_ids": json_list(target_ids), "template": template},
        TargetLastRunRow,
    )
