"""On which machines an automation will run, found when it is triggered, and bound to it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from opsicle.domain.bound_fan_outs import BoundFanOut, BoundMember
from opsicle.domain.bound_targets import BoundTarget
from opsicle.domain.errors import Conflict
from opsicle.domain.fan_outs import MOST_MEMBERS, FanOutKind
from opsicle.domain.targets import TargetSelector
from opsicle.domain.templates import Template
from opsicle.domain.workers import fits_labels, requirements
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.changed_targets import target_refusal
from opsicle.server.approvals.manifests import member_of
from opsicle.server.automations.new_runs import Origin
from opsicle.server.fleet.presence import Fleet, absent
from opsicle.server.store import automations, workers
from opsicle.server.store.database import Connection
from opsicle.server.targets.selection import ChosenTarget, targets_of


def bound_fan_out(
    db: Connection, fleet: Fleet, actor: Actor, template: Template, origin: Origin
) -> BoundFanOut | None:
    """Return on which machines a template runs that is triggered now, in the order of their names.

    None for one that runs on a single one, as each part does. What repeats a part is for that
    part's machine alone, and what goes on from a whole for those on which that has not succeeded.
    Raises Conflict if there is none, or there are too many.
    """
    fan_out = template.fan_out
    if fan_out is None or origin.member:
        return None
    if origin.only:
        fan_out = msgspec.structs.replace(fan_out, names=(origin.only,))
        template = msgspec.structs.replace(template, fan_out=fan_out)
    only = _wanted(db, actor, origin)
    found = [
        member
        for member in _matching(db, fleet, actor, template)
        if only is None or member.name in only
    ]
    if not found:
        raise _nothing(template, only)
    if len(found) > MOST_MEMBERS:
        raise Conflict(f"it would run on {len(found):,} machines, and at most {MOST_MEMBERS:,} may")
    return BoundFanOut(
        kind=fan_out.kind,
        members=tuple(sorted(found, key=lambda each: each.name)),
        parallel=fan_out.parallel,
        max_failures=fan_out.max_failures,
    )


def _nothing(template: Template, only: frozenset[str] | None) -> Conflict:
    assert template.fan_out is not None
    whose = "" if only is None else f" of {', '.join(sorted(only))}"
    if template.fan_out.kind is FanOutKind.TARGETS:
        return Conflict(
            f"{template.name} runs on each target that fits{whose}, and none does",
            hint="`opsicle targets list` shows those that you may see, with their labels.",
        )
    return Conflict(
        f"{template.name} runs on each worker that fits{whose}, and none does",
        hint="`opsicle workers list` shows them with their labels; "
        "`opsicle workers update NAME --label …` grants some.",
    )


def _matching(
    db: Connection, fleet: Fleet, actor: Actor, template: Template
) -> Iterator[BoundMember]:
    assert template.fan_out is not None
    if template.fan_out.kind is FanOutKind.EACH:
        return _workers(db, fleet, actor.org_id, template)
    selector = TargetSelector(
        labels=template.runs_on, where=template.runs_on_where, names=template.fan_out.names
    )
    return map(bound_target, targets_of(db, actor, selector))


def bound_target(chosen: ChosenTarget) -> BoundMember:
    """Return a target as an automation is bound to it."""
    target = chosen.target
    return BoundMember(
        name=target.name,
        target=BoundTarget(
            name=target.name,
            host=target.host,
            port=target.port,
            user=target.user,
            host_keys=target.host_keys,
            secret=target.secret,
        ),
        digest=chosen.digest,
        labels=target.runs_on,
        where=target.runs_on_where,
    )


def require_target(db: Connection, actor: Actor, member: BoundMember) -> None:
    """Raise OpsicleError unless a target is what it was, and the actor may run something on it."""
    if reason := target_refusal(db, actor.org_id, member):
        raise Conflict(reason)
    targets_of(db, actor, TargetSelector(names=(member.name,)))


def _workers(
    db: Connection, fleet: Fleet, org_id: str, template: Template
) -> Iterator[BoundMember]:
    """Yield the org's own workers that have the labels, be they away, busy or draining."""
    asked = requirements(template)
    for row in workers.list_longest_unseen(db, org_id, -1):
        presence = fleet.find(row.id)
        candidate = fleet.candidate(presence) if presence else absent(row)
        if fits_labels(asked, candidate):
            yield BoundMember(name=row.name, worker_id=row.id)


def _wanted(db: Connection, actor: Actor, origin: Origin) -> frozenset[str] | None:
    """Return the names of the machines to which the new automation is kept; None for any."""
    if origin.resumed:
        return origin.resumed.machines
    old = automations.find(db, actor.org_id, origin.rerun_of) if origin.rerun_of else None
    of = member_of(old) if old else None
    return frozenset({of.member.name}) if of else None
