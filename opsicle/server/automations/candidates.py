"""The workers for which automations of an org wait, to say why they do."""

from __future__ import annotations

from collections.abc import Sequence

from opsicle.domain.automations import AutomationState
from opsicle.domain.workers import SHARED, Candidate
from opsicle.server.fleet.presence import Fleet, absent
from opsicle.server.store import orgs, workers
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection

MOST_ABSENT_WORKERS = 100
"""More than anybody wants to read of in one reason for waiting."""


def waiting_for(
    db: Connection, fleet: Fleet, org_id: str, rows: Sequence[AutomationRow]
) -> list[Candidate]:
    """Return who serves the org, none if nothing of this waits for a worker.

    Those who have not polled since the server started are among them.
    """
    if not any(row.state is AutomationState.QUEUED for row in rows):
        return []
    known = fleet.candidates(org_id)
    away = workers.list_longest_unseen(db, org_id, MOST_ABSENT_WORKERS)
    known += [absent(row) for row in away if fleet.find(row.id) is None]
    if not known and orgs.allows_shared_workers(db, org_id) and workers.has_shared(db):
        known.append(Candidate(name=SHARED, is_connected=False, is_shared=True))
    return known
