"""On which machines an automation will run, found when it is triggered, and bound to it."""

from __future__ import annotations

import msgspec

from opsicle.domain.bound_fan_outs import BoundFanOut, BoundMember
from opsicle.domain.errors import Conflict
from opsicle.domain.problems import first_names
from opsicle.domain.targets import TargetSelector
from opsicle.domain.templates import Template
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.changed_targets import target_refusal
from opsicle.server.approvals.manifests import member_of
from opsicle.server.automations.machines import find_machines
from opsicle.server.automations.new_runs import Origin
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.store import automations
from opsicle.server.store.database import Connection
from opsicle.server.targets.selection import targets_of

_MOST_NAMED = 20
"""Machines that a refusal names."""


def bound_fan_out(
    db: Connection, fleet: Fleet, actor: Actor, template: Template, origin: Origin
) -> BoundFanOut | None:
    """Return on which machines a template runs that is triggered now.

    None for one that runs on a single one, as each part does. What is called runs on those to which
    its caller is bound. What repeats a part is for that part's machine alone, and what goes on from
    a whole for those on which that has not succeeded: Conflict unless all of these still fit.
    Raises as `find_machines`.
    """
    fan_out = template.fan_out
    if fan_out is None or origin.member:
        return None
    if origin.called:
        if origin.called.bound.fan_out is None:
            raise Conflict("its machines are not among what its caller is bound to")
        return origin.called.bound.fan_out

    if origin.only:
        fan_out = msgspec.structs.replace(fan_out, names=(origin.only,))
        template = msgspec.structs.replace(template, fan_out=fan_out)
    if resumed := origin.resumed:
        found = find_machines(db, fleet, actor, template, resumed.machines)
        missing = sorted((resumed.machines or frozenset()) - {each.name for each in found.members})
        if missing:
            raise _left_out(resumed.point.automation_id, missing)
        return found
    repeated = _part_repeated(db, actor, origin)
    return find_machines(db, fleet, actor, template, repeated)


def require_target(db: Connection, actor: Actor, member: BoundMember) -> None:
    """Raise OpsicleError unless a target is what it was, and the actor may run something on it."""
    if reason := target_refusal(db, actor.org_id, member):
        raise Conflict(reason)
    targets_of(db, actor, TargetSelector(names=(member.name,)))


def _part_repeated(db: Connection, actor: Actor, origin: Origin) -> frozenset[str] | None:
    """Return the machine of the part that a new automation repeats, None if it repeats none."""
    old = automations.find(db, actor.org_id, origin.rerun_of) if origin.rerun_of else None
    of = member_of(old) if old else None
    return frozenset({of.member.name}) if of else None


def _left_out(automation_id: str, missing: list[str]) -> Conflict:
    names = first_names(missing, _MOST_NAMED)
    return Conflict(
        f"{automation_id} has not succeeded on {names}, which the template no longer fits",
        hint="Going on would leave these out. `opsicle automations rerun PART` runs it on one "
        f"machine alone, `opsicle automations rerun {automation_id}` on all that fit now.",
    )
