"""Going on where an automation has failed, as a new one."""

from __future__ import annotations

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict
from opsicle.domain.resume_points import ResumePoint
from opsicle.domain.templates import Template
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.approvals.bindings import Bindings
from opsicle.server.automations.repeats import request_again
from opsicle.server.automations.resumed_fan_outs import machines_left, resumed_fan_out
from opsicle.server.automations.resumed_runs import (
    ResumedRun,
    find_point,
    find_workspace,
    require_no_successor,
)
from opsicle.server.automations.service import Automations
from opsicle.server.keys.vault import Vault
from opsicle.server.store import automations
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection, Database
from opsicle.wire.starts import ResumeRequest
from opsicle.wire.user_api import Automation, RunRequest


class Resumes:
    """Triggers automations that go on from others: with the same version, values and outputs."""

    def __init__(
        self,
        database: Database,
        triggering: Automations,
        bindings: Bindings,
        vault: Vault,
        clock: Clock,
    ) -> None:
        self._clock = clock
        self._database = database
        self._triggering = triggering
        self._bindings = bindings
        self._vault = vault

    def _point(
        self, db: Connection, row: AutomationRow, template: Template, wanted: ResumeRequest
    ) -> ResumePoint:
        """Return where an automation is gone on with, and in which workspace."""
        if row.fan_out or row.member_of:
            return resumed_fan_out(db, self._bindings, row, template, wanted)
        point = find_point(db, self._bindings, row, template, wanted)
        if template.keep_workspace is None or wanted.fresh_workspace:
            return point
        workspace = find_workspace(db, self._bindings, row, template, self._clock.now())
        return msgspec.structs.replace(point, workspace=workspace)

    def resume(
        self,
        actor: Actor,
        automation_id: str,
        wanted: ResumeRequest,
        idempotency_key: str = "",
    ) -> Automation:
        """Trigger an automation that goes on where another one has failed; durable on return.

        It is a new one in all else: the caller needs the right to run the template now, and it is
        approved as any. Raises as `Automations.create`; NotFound for an automation that the caller
        cannot see; Conflict for one that has not failed, that another one goes on from already, or
        of which something cannot be handed over.
        """
        actor.require(Action.AUTOMATIONS_CREATE)

        def query(db: Connection) -> tuple[ResumedRun, RunRequest]:
            old, template, request = request_again(db, self._vault, actor, automation_id)
            point = self._point(db, old, template, wanted)

            def confirm(db: Connection) -> None:
                now = automations.get(db, actor.org_id, automation_id)
                require_no_successor(db, now)
                if self._point(db, now, template, wanted) != point:
                    raise Conflict(f"{automation_id} has just changed", hint="Look at it again.")

            left = machines_left(db, self._bindings, old, template) if old.fan_out else None
            return ResumedRun(point, wanted.accept_unknown, confirm, left), request

        resumed, request = self._database.read(query)
        if wanted.reason:
            request = msgspec.structs.replace(request, reason=wanted.reason)
        return self._triggering.create(actor, request, idempotency_key, resumed=resumed)
