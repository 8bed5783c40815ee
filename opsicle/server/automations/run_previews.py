"""Saying what running a template would do, before anything is triggered."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.bound_fan_outs import BoundFanOut
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from opsicle.domain.templates import Template, Value, Variable, VariableType
from opsicle.domain.variables import check_values
from opsicle.domain.waiting_reasons import waiting_reason
from opsicle.domain.workers import Candidate, Requirements, fits, is_meant, requirements
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.preview import need_of
from opsicle.server.approvals.progress import Progress
from opsicle.server.approvals.requests import ApprovalRequests
from opsicle.server.automations.bound_fan_outs import bound_fan_out
from opsicle.server.automations.chosen_workers import chosen_worker
from opsicle.server.automations.given_files import named_by_content
from opsicle.server.automations.new_runs import CheckedRun, Origin, placing_of
from opsicle.server.automations.runnable import runnable_version
from opsicle.server.automations.waiting import candidates_of
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection, Database
from opsicle.wire.approval_api import ApprovalNeed
from opsicle.wire.preview_api import RunPreview
from opsicle.wire.user_api import RunRequest

_BY_HAND = Origin("", None, None)
_MOST_NAMED = 10


class RunPreviews:
    """Looks at what somebody is about to run, as `Automations.create` would."""

    def __init__(self, database: Database, fleet: Fleet, progress: Progress, clock: Clock) -> None:
        self._database = database
        self._fleet = fleet
        self._approval_requests = ApprovalRequests(progress, clock)
        self._clock = clock

    def preview(self, actor: Actor, request: RunRequest) -> RunPreview:
        """Return what running this would do now, and make nothing.

        Raises NotFound, NotAllowed and Conflict for a template, or a version of it, that the caller
        may not run; what else keeps it from running stands in the answer.
        """
        actor.require(Action.AUTOMATIONS_CREATE)
        now = self._clock.now()

        def query(db: Connection) -> RunPreview:
            candidates = candidates_of(db, self._fleet, actor.org_id)
            version, template, needs_code = runnable_version(db, actor, request)
            preview = RunPreview(
                template=template.name,
                version=version.version,
                need=need_of(db, actor, version),
                needs_mfa=needs_code,
            )
            try:
                fan_out = bound_fan_out(db, self._fleet, actor, template, _BY_HAND)
                only = chosen_worker(db, self._fleet, actor, template, request.worker)
                _place(preview, actor, requirements(template, member=only), fan_out, candidates)
                values = _values(db, actor, template, request, now)
                run = CheckedRun(version, template, request, values, _BY_HAND)
                placing = placing_of(template, values, _BY_HAND, fan_out, only)
                calls = run.bound_calls(db, self._fleet, actor, fan_out)
                row = run.row(actor, placing, calls, fan_out, now)
                preview.need = self._need(db, row, template, preview.need)
            except InvalidInput as error:
                preview.problems = list(error.problems)
                preview.refusal = "" if error.problems else error.message
            except (Conflict, NotAllowed, NotFound) as error:
                preview.refusal = error.message
            return preview

        return self._database.read(query)

    def _need(
        self, db: Connection, row: AutomationRow, template: Template, need: ApprovalNeed
    ) -> ApprovalNeed:
        """Return who must agree with these values: of the gates with conditions, those that hold.

        Raises Conflict where nobody could, as triggering it does.
        """
        applicable = self._approval_requests.applicable_policy(db, row, template)
        asked = {gate.name for gate in applicable.gates} if applicable else set()
        gates = [
            msgspec.structs.replace(gate, is_conditional=False)
            for gate in need.gates
            if gate.name in asked
        ]
        return msgspec.structs.replace(need, is_needed=bool(gates), gates=gates)


def _values(
    db: Connection, actor: Actor, template: Template, request: RunRequest, now: datetime
) -> dict[str, Value]:
    """Return what it would run with; a secret value may still be missing. Raises InvalidInput."""
    given = named_by_content(db, actor, template.variables, request.values, "", now)
    variables = [_perhaps_missing(each, given) for each in template.variables]
    return check_values(variables, given)


def _perhaps_missing(variable: Variable, given: dict[str, Value | None]) -> Variable:
    if variable.type is VariableType.SECRET and not given.get(variable.id):
        return msgspec.structs.replace(variable, is_required=False)
    return variable


def _place(
    preview: RunPreview,
    actor: Actor,
    asked: Requirements,
    fan_out: BoundFanOut | None,
    candidates: Sequence[Candidate],
) -> None:
    """Say where it would run. The names of workers are for those who may see them."""
    if fan_out:
        preview.machines = [member.name for member in fan_out.members]
        return
    known = [one for one in candidates if one.worker_id]
    able = [one for one in known if fits(asked, one) and is_meant(asked, one)]
    names = sorted({one.name for one in able})
    preview.fitting = len(names)
    preview.workers = names[:_MOST_NAMED] if actor.may(Action.WORKERS_VIEW) else []
    preview.waiting = waiting_reason(asked, candidates)
