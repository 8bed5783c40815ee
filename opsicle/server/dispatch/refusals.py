"""Ending what waits and must not be run."""

from __future__ import annotations

from datetime import datetime

from opsicle.domain.automations import AutomationState
from opsicle.server.access.actor import SystemActor
from opsicle.server.channels.outbox import Outbox
from opsicle.server.store import audit, automation_transitions
from opsicle.server.store.database import Connection


def refuse(
    db: Connection, outbox: Outbox, at: datetime, org_id: str, automation_id: str, reason: str
) -> bool:
    """End an automation before it has begun, tell people, and write the record.

    Inside a transaction. Return False if someone was first.
    """
    explanation = f"it was not run: {reason}"
    if not automation_transitions.refuse(db, automation_id, None, at, explanation):
        return False
    outbox.post_finished(db, org_id, automation_id, AutomationState.CANCELLED)
    resource, data = f"automations/{automation_id}", {"reason": reason}
    audit.append(db, at, org_id, SystemActor(), "refuse", resource, data)
    return True
