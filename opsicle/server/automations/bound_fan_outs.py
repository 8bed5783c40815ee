"""On which machines an automation will run, found when it is triggered, and bound to it."""

from __future__ import annotations

from opsicle.domain.errors import Conflict
from opsicle.domain.fan_outs import MOST_MEMBERS, BoundFanOut, BoundMember
from opsicle.domain.templates import Template
from opsicle.domain.workers import fits_labels, requirements
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.manifests import member_of
from opsicle.server.automations.new_runs import Origin
from opsicle.server.fleet.presence import Fleet, absent
from opsicle.server.store import automations, workers
from opsicle.server.store.database import Connection


def bound_fan_out(
    db: Connection, fleet: Fleet, actor: Actor, template: Template, origin: Origin
) -> BoundFanOut | None:
    """Return on which machines a template runs that is triggered now, in the order of their names.

    None for one that runs on a single one, as each part does. What repeats a part is for that
    part's machine alone, and what goes on from a whole for those on which that has not succeeded.
    Raises Conflict if there is none, or there are too many.
    """
    if template.fan_out is None or origin.member:
        return None
    found = _workers(db, fleet, actor.org_id, template)
    if (only := _wanted(db, actor, origin)) is not None:
        found = [each for each in found if each.name in only]
    if not found:
        whose = "" if only is None else f" of {', '.join(sorted(only))}"
        raise Conflict(
            f"{template.name} runs on each worker that fits{whose}, and none does",
            hint="`opsicle workers list` shows them with their labels; "
            "`opsicle workers update NAME --label …` grants some.",
        )
    if len(found) > MOST_MEMBERS:
        raise Conflict(f"it would run on {len(found):,} machines, and at most {MOST_MEMBERS:,} may")
    return BoundFanOut(
        kind=template.fan_out.kind,
        members=tuple(sorted(found, key=lambda each: each.name)),
        parallel=template.fan_out.parallel,
        max_failures=template.fan_out.max_failures,
    )


def _workers(db: Connection, fleet: Fleet, org_id: str, template: Template) -> list[BoundMember]:
    """Return the org's own workers that have the labels, be they away, busy or draining."""
    asked = requirements(template)
    found = []
    for row in workers.list_longest_unseen(db, org_id, -1):
        presence = fleet.find(row.id)
        candidate = fleet.candidate(presence) if presence else absent(row)
        if fits_labels(asked, candidate):
            found.append(BoundMember(name=row.name, worker_id=row.id))
    return found


def _wanted(db: Connection, actor: Actor, origin: Origin) -> frozenset[str] | None:
    """Return the names of the machines to which the new automation is kept; None for any."""
    if origin.resumed:
        return origin.resumed.machines
    old = automations.find(db, actor.org_id, origin.rerun_of) if origin.rerun_of else None
    of = member_of(old) if old else None
    return frozenset({of.member.name}) if of else None
