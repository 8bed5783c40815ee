"""What an automation has called, and what that has called, as people see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsicle.domain.automations import AutomationState
from opsicle.domain.calls import MAX_DEPTH
from opsicle.server.store import calls
from opsicle.server.store.database import Connection
from opsicle.wire.starts import CalledAutomation


def called_trees(
    db: Connection, automation_id: str, depth: int = MAX_DEPTH
) -> Mapping[int, Sequence[CalledAutomation]]:
    """Return what the phases of an automation have called, by their numbers, oldest first."""
    found: dict[int, list[CalledAutomation]] = {}
    for row in calls.list_of_automation(db, automation_id):
        below = (
            called_trees(db, row.automation_id, depth - 1) if row.automation_id and depth else {}
        )
        state = row.automation_state
        found.setdefault(row.phase, []).append(
            CalledAutomation(
                template=row.template,
                state=row.state,
                reason=row.reason,
                automation_id=row.automation_id if state else None,
                automation_state=AutomationState(state) if state else None,
                calls=[each for called in below.values() for each in called],
            )
        )
    return found
