"""The machines that a template runs on one by one, as they are now."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from opsicle.domain.bound_fan_outs import BoundFanOut, BoundMember
from opsicle.domain.errors import Conflict
from opsicle.domain.fan_outs import MOST_MEMBERS, FanOutKind
from opsicle.domain.templates import Template
from opsicle.domain.workers import fits_labels, requirements
from opsicle.server.access.actor import Actor
from opsicle.server.fleet.fleet import Fleet, absent
from opsicle.server.store import workers
from opsicle.server.store.database import Connection
from opsicle.server.targets.selection import selector_of, targets_of


def find_machines(
    db: Connection,
    fleet: Fleet,
    actor: Actor,
    template: Template,
    only: Collection[str] | None = None,
) -> BoundFanOut:
    """Return the machines that fit in the order of their names, at most `only` if that is given.

    Raises Conflict if there is none, or there are too many; for targets as `targets_of`.
    """
    fan_out = template.fan_out
    assert fan_out is not None
    if fan_out.kind is FanOutKind.EACH:
        found = [
            member
            for member in _workers(db, fleet, actor.org_id, template)
            if only is None or member.name in only
        ]
    else:
        found = [each.bound for each in targets_of(db, actor, selector_of(template), only)]
    if not found:
        raise _nothing(template, only)
    if len(found) > MOST_MEMBERS:
        raise Conflict(f"it would run on {len(found):,} machines, and at most {MOST_MEMBERS:,} may")
    return BoundFanOut(
        kind=fan_out.kind,
        members=tuple(sorted(found, key=lambda each: each.name)),
        parallel=fan_out.parallel,
        max_failures=fan_out.max_failures,
        timeout=fan_out.timeout,
    )


def _nothing(template: Template, only: Collection[str] | None) -> Conflict:
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
