"""Suspending orgs, letting them go on, and asking for their removal, by who runs the server.

All of it stands in the org's record and in the server's.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from opsicle.domain.access import Action, BuiltInRole
from opsicle.domain.errors import Conflict, InvalidInput, OpsicleError, Problem, required
from opsicle.domain.rights import rights_of_role
from opsicle.kit.clock import Clock, to_text
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.automations.service import Automations
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.identity.orgs import no_org
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.server.operation.orgs import OrgOperations
from opsicle.server.store import audit, org_removals, orgs, suspensions
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.orgs import OrgRow
from opsicle.server.store.suspensions import SuspensionRow
from opsicle.wire.operation_api import DeleteOrgRequest, OperatedOrg, SuspendRequest

MAX_REASON_LENGTH = 300
MOST_GRACE_DAYS = 90
_CANCELLED_AT_ONCE = 100


class OrgStatus:
    """Says which orgs may start something, and which are to go."""

    def __init__(  # noqa: PLR0913, PLR0917 - what an org's status touches
        self,
        database: Database,
        operations: OrgOperations,
        automations: Automations,
        sessions: Sessions,
        step_up: StepUp,
        fleet: Fleet,
        clock: Clock,
    ) -> None:
        self._database = database
        self._operations = operations
        self._automations = automations
        self._sessions = sessions
        self._step_up = step_up
        self._fleet = fleet
        self._clock = clock

    def suspend(self, actor: Actor, code: str, request: SuspendRequest) -> OperatedOrg:
        """Let an org start nothing any more; what runs goes on, unless it is to be cancelled.

        Again is harmless, and changes the reason. Raises NotFound; InvalidInput for a reason that
        is too long; StepUpRequired.
        """
        self._step_up.require(actor, Action.SERVER_MANAGE)
        reason = validators.name(request.reason, MAX_REASON_LENGTH)

        def change(row: SuspensionRow) -> SuspensionRow:
            at = row.suspended_at or self._clock.now()
            return SuspensionRow(at, reason, row.delete_at, row.asked_by)

        data = {"reason": reason, "cancels_running": request.cancels_running}
        org = self._change(actor, code, "suspend", change, data)
        if request.cancels_running:
            self._cancel_all(actor, org)
        return self._operations.get(actor, code)

    def resume(self, actor: Actor, code: str) -> OperatedOrg:
        """Let an org start things again, and keep one that was to be deleted.

        Raises NotFound; Conflict if it is not suspended, or is being removed; StepUpRequired.
        """
        self._step_up.require(actor, Action.SERVER_MANAGE)

        def change(row: SuspensionRow) -> SuspensionRow:
            if row.suspended_at is None:
                raise Conflict(f"the org {code} is not suspended")
            return SuspensionRow()

        self._change(actor, code, "resume", change, {})
        self._fleet.wake_everyone()
        return self._operations.get(actor, code)

    def delete(self, actor: Actor, code: str, request: DeleteOrgRequest) -> OperatedOrg:
        """Have an org deleted after a time in which `resume` keeps it; it is suspended until then.

        Raises NotFound; InvalidInput unless its code is given a second time; Conflict for the org
        of the caller's own session, and the last that would be left; StepUpRequired.
        """
        self._step_up.require(actor, Action.SERVER_MANAGE)
        if code == actor.org_code:
            raise Conflict(
                "this is the org that you are logged in to", hint="Switch to another one first."
            )
        if request.confirm != code:
            message = f"must be the code of the org, {code}, to show that it is meant"
            raise InvalidInput(
                "the deletion is not confirmed", problems=(Problem("confirm", message),)
            )
        if not 0 <= request.grace_days <= MOST_GRACE_DAYS:
            raise validators.invalid("grace_days", f"must be between 0 and {MOST_GRACE_DAYS}")

        now = self._clock.now()
        delete_at = now + timedelta(days=request.grace_days)

        def change(row: SuspensionRow) -> SuspensionRow:
            return SuspensionRow(row.suspended_at or now, row.reason, delete_at, actor.email)

        org = self._change(actor, code, "delete", change, {"delete_at": to_text(delete_at)})
        if request.cancels_running:
            self._cancel_all(actor, org)
        return self._operations.get(actor, code)

    def _change(
        self,
        actor: Actor,
        code: str,
        verb: str,
        change: Callable[[SuspensionRow], SuspensionRow],
        data: dict[str, object],
    ) -> OrgRow:
        def work(db: Connection) -> OrgRow:
            org = required(orgs.find_by_code(db, code), no_org(code))
            if org_removals.find(db, org.id):
                raise Conflict(
                    f"the org {code} is being removed", hint="A backup has it as it was."
                )
            changed = change(suspensions.find(db, org.id))
            if changed.delete_at and not org_removals.find_heir(db, org.id):
                raise Conflict(
                    f"the org {code} is the last one that is not to be deleted",
                    hint="Keep another one first: `opsicle orgs resume`.",
                )
            suspensions.put(db, org.id, changed)
            for org_id in (org.id, None):
                audit.append(db, self._clock.now(), org_id, actor, verb, f"orgs/{code}", data)
            return org

        return self._sessions.change(work)

    def _cancel_all(self, actor: Actor, org: OrgRow) -> None:
        """Cancel what runs and waits in an org, in the name of whoever runs the server."""
        rights = rights_of_role(BuiltInRole.OPERATOR)
        there = Actor(
            actor.user_id,
            actor.email,
            actor.name,
            org.id,
            org.code,
            "server operator",
            actor.channel,
            actor.address,
            rights=rights,
        )
        tried: set[str] = set()
        while True:
            rows = self._database.read(
                lambda db: suspensions.list_uncancelled(db, org.id, len(tried) + _CANCELLED_AT_ONCE)
            )
            fresh = [row.id for row in rows if row.id not in tried]
            if not fresh:
                return
            for automation_id in fresh:
                tried.add(automation_id)
                try:
                    self._automations.cancel(there, automation_id)
                except OpsicleError:
                    continue  # it has just ended
