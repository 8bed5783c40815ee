"""Reading all that is shown of one automation."""

from __future__ import annotations

from opsicle.domain.automations import is_final
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.manifests import shown_resume_point
from opsicle.server.automations.called_trees import called_trees
from opsicle.server.automations.shown_targets import automation_targets
from opsicle.server.automations.views import Snapshot
from opsicle.server.automations.visible import get_visible
from opsicle.server.automations.waiting import queue_view
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.store import artifacts, chains, files, jobs, later_runs
from opsicle.server.store.database import Connection

_MOST_LATER = 20
"""Of what goes on from an automation or repeats it: some are repeated every day."""


def snapshot_of(db: Connection, fleet: Fleet, actor: Actor, automation_id: str) -> Snapshot:
    """Return an automation as one transaction sees it, without what its log says of itself.

    Raises NotFound, also for one that the actor may not see.
    """
    row, template = get_visible(db, actor, automation_id)
    tries = jobs.list_of_automation(db, row.id)
    return Snapshot(
        row,
        template,
        tries,
        0,
        queue_view(db, fleet, actor.org_id, [row]),
        artifacts=artifacts.list_of_job(db, tries[-1].id) if tries else [],
        files=files.list_of_automation(db, row.id),
        chain=chains.list_of(db, row.id),
        calls=called_trees(db, row.id) if row.calls else None,
        targets=automation_targets(db, row),
        later=later_runs.list_newest(db, row.id, _MOST_LATER) if is_final(row.state) else (),
        resume_point=shown_resume_point(db, row, template),
    )
