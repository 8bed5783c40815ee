"""What an automation will call, looked up and checked when it is triggered, and bound to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from opsicle.domain.bound_calls import BoundCall
from opsicle.domain.bound_fan_outs import BoundFanOut
from opsicle.domain.call_paths import call_path
from opsicle.domain.calls import MAX_DEPTH, MOST_CALLS, Call
from opsicle.domain.errors import Conflict, OpsicleError, Problem
from opsicle.domain.fan_outs import MOST_MEMBERS
from opsicle.domain.passed_values import (
    PassableValues,
    call_problems,
    passed_values,
    refuse_secrets,
)
from opsicle.domain.template_parser import digest
from opsicle.domain.templates import Phase, Template, Value
from opsicle.server.access.actor import Actor
from opsicle.server.access.start_rights import require_in_scope
from opsicle.server.automations.machines import find_machines
from opsicle.server.automations.runnable import runnable_version
from opsicle.server.automations.starters import Starter
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.secrets.service import require_secrets
from opsicle.server.store.database import Connection
from opsicle.wire.user_api import RunRequest


class _CallBudget(msgspec.Struct):
    """How many calls may still be looked up: what calls twenty that call twenty has thousands.

    And on how many machines these may run in all: the caller, and each of them, holds the list.
    """

    left: int = MOST_CALLS
    machines: int = msgspec.field(default_factory=lambda: MOST_MEMBERS)

    def use(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Conflict(f"more than {MOST_CALLS} templates would be called in all")

    def use_machines(self, count: int) -> None:
        self.machines -= count
        if self.machines < 0:
            raise Conflict(f"it would run on more than {MOST_MEMBERS:,} machines in all")


class _Callers(NamedTuple):
    """The templates on the way down to a call, the outermost first, and how deep it lies.

    `times`: on how many machines all of them run, so that the call is made as often.
    """

    templates: tuple[Template, ...]
    depth: int
    budget: _CallBudget
    fleet: Fleet
    times: int

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(template.name for template in self.templates)


def bound_calls(  # noqa: PLR0913, PLR0917 - what calls depend on
    db: Connection,
    fleet: Fleet,
    actor: Actor,
    template: Template,
    values: Mapping[str, Value],
    starter: Starter | None,
    first_phase: int = 0,
    times: int = 1,
) -> tuple[BoundCall, ...]:
    """Return what an automation that is triggered now will call, and what those will.

    `times`: on how many machines it runs itself.

    Of each that runs on several machines, also on which. One that was called itself is bound
    already. Raises Conflict, NotFound, NotAllowed or InvalidInput for what could never be called
    so.
    """
    if starter and starter.called:
        return starter.called.bound.calls
    if starter and starter.member:
        return starter.member.calls
    if starter is None:
        require_in_scope(db, actor, template)
    if not any(phase.calls for phase in template.phases):
        return ()
    depth = starter.depth if starter else 0
    callers = _Callers((template,), depth, _CallBudget(), fleet, times)
    return tuple(_bound(db, actor, template, callers, values, first_phase))


def _bound(
    db: Connection,
    actor: Actor,
    template: Template,
    callers: _Callers,
    values: Mapping[str, Value] | None,
    first_phase: int = 0,
) -> Iterator[BoundCall]:
    """Yield what a template calls. `values` are those of its variables, None if nobody knows."""
    for i, phase in enumerate(template.phases):
        if i < first_phase:
            continue
        targets = []
        for j, call in enumerate(phase.calls):
            path = call_path(i, phase, j)
            try:
                bound, target = _bind_one(db, actor, call, path, callers, values)
            except OpsicleError as error:
                raise type(error)(
                    f"phase {phase.name} of {template.name} cannot call {call.template}: "
                    f"{error.message}",
                    hint=error.hint,
                    problems=error.problems,
                ) from error
            targets.append(target)
            yield BoundCall(
                phase=i,
                position=j,
                template=call.template,
                template_id=bound.template_id,
                version=bound.version,
                digest=digest(target),
                calls=bound.calls,
                fan_out=bound.fan_out,
            )
        _check_outputs(template, phase, targets)


class _Bound(NamedTuple):
    template_id: str
    version: int
    calls: tuple[BoundCall, ...]
    fan_out: BoundFanOut | None


def _bind_one(
    db: Connection,
    actor: Actor,
    call: Call,
    path: str,
    callers: _Callers,
    values: Mapping[str, Value] | None,
) -> tuple[_Bound, Template]:
    callers.budget.use()
    if call.template in callers.names:
        raise Conflict(f"it would call itself: {' → '.join([*callers.names, call.template])}")
    if callers.depth >= MAX_DEPTH:
        raise Conflict(f"it would be deeper than {MAX_DEPTH}, which is not allowed")

    request = RunRequest(template=call.template, version=call.version)
    version, target, needs_code = runnable_version(db, actor, request)
    if needs_code:
        raise Conflict("it asks for a fresh code of whoever runs it")
    if target.plan:
        raise Conflict("it has a plan, and nobody would be shown what that finds")
    _check_groups(callers.templates, target)
    require_secrets(db, actor.org_id, target)
    refuse_secrets(path, call, target)
    if problems := tuple(call_problems(path, call, callers.templates[-1], target)):
        raise Conflict("its values do not fit", problems=problems)
    if values is not None:
        passed_values(call, callers.templates[-1], target, PassableValues(values))

    fan_out, times = None, callers.times
    if target.fan_out:
        fan_out = find_machines(db, callers.fleet, actor, target)
        times *= len(fan_out.members)
        callers.budget.use_machines(times)
    below = callers._replace(
        templates=(*callers.templates, target), depth=callers.depth + 1, times=times
    )
    calls = tuple(_bound(db, actor, target, below, None))
    return _Bound(version.document_id, version.version, calls, fan_out), target


def _check_groups(callers: tuple[Template, ...], target: Template) -> None:
    """Refuse what would wait for its own caller to leave their concurrency group."""
    if target.concurrency is None:
        return
    for caller in callers:
        if caller.concurrency and caller.concurrency.group == target.concurrency.group:
            raise Conflict(
                f"both are in the concurrency group {target.concurrency.group}, so that it could "
                "wait for its caller for ever"
            )


def _check_outputs(template: Template, phase: Phase, targets: list[Template]) -> None:
    """Refuse an output that is not just one called template's."""
    if not phase.calls:
        return
    for name in phase.outputs:
        count = sum(name in other.outputs for target in targets for other in target.phases)
        if count != 1:
            found = "none" if count == 0 else "more than one"
            message = f"{found} of the called templates has an output {name}"
            raise Conflict(
                f"phase {phase.name} of {template.name} cannot hand on {name}: {message}",
                problems=(Problem(f"phase {phase.name}", message),),
            )
