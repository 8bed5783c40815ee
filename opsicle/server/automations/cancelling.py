"""Ending an automation on a person's word, wherever it stands. Inside a transaction."""

from __future__ import annotations

from datetime import datetime

import msgspec

from opsicle.domain.automations import AutomationState, JobState
from opsicle.domain.errors import Conflict
from opsicle.domain.notices import Notice
from opsicle.domain.pauses import has_clean_up, leaves_work
from opsicle.domain.templates import Template
from opsicle.server.access.actor import Actor, SystemActor
from opsicle.server.access.template_versions import shown_template_of
from opsicle.server.approvals import paused_ends
from opsicle.server.approvals.progress import Progress
from opsicle.server.automations.visible import ENDED, get_visible, require_may_cancel
from opsicle.server.channels.outbox import Outbox
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.store import (
    approvals,
    audit,
    automation_transitions,
    automations,
    calls,
    jobs,
)
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automation_transitions import Ending
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.jobs import JobRow

_CANCELLABLE = frozenset(
    {AutomationState.PLANNING, AutomationState.RUNNING, AutomationState.PAUSED}
)


class Cancelling(msgspec.Struct, frozen=True):
    """Cancels automations."""

    progress: Progress
    outbox: Outbox
    fleet: Fleet

    def cancel(
        self, db: Connection, actor: Actor, automation_id: str, now: datetime
    ) -> JobRow | None:
        """Cancel an automation, and return its newest job, whose worker is to hear of it.

        Raises as `Automations.cancel`.
        """
        row, template = get_visible(db, actor, automation_id)
        require_may_cancel(db, actor, row)
        job = jobs.find(db, row.job_id) if row.job_id else None

        if automation_transitions.cancel_waiting(db, row.id, actor.user_id, now):
            self._end_waiting(db, actor, row, job, now)
            audit.append(db, now, row.org_id, actor, "cancel", f"automations/{row.id}")
            return job

        is_first = automation_transitions.request_cancel(db, row.id, actor.user_id, now)
        if row.state not in _CANCELLABLE:
            raise Conflict(f"this automation is already over: it {ENDED[row.state]}")
        if is_first:
            audit.append(db, now, row.org_id, actor, "cancel", f"automations/{row.id}")
        if job and job.state == JobState.PAUSED:
            is_worker_there = is_first and self.fleet.is_connected(job.worker_id)
            self._end_paused(db, actor, job, template, now, is_worker_there=is_worker_there)
        return job

    def cancel_called(
        self, db: Connection, caller: AutomationRow, automation_id: str, now: datetime
    ) -> JobRow | None:
        """Cancel what an automation has called that does not wait for it any more.

        The server does it: whoever has cancelled the caller stands there in the record. As
        `cancel`, but harmless if it is over.
        """
        row = automations.get(db, caller.org_id, automation_id)
        job = jobs.find(db, row.job_id) if row.job_id else None
        if automation_transitions.cancel_waiting(db, row.id, caller.requester_id, now):
            if job:
                jobs.give_back(db, job.id, now)
            self.outbox.post_finished(db, row.org_id, row.id, AutomationState.CANCELLED)
        elif automation_transitions.request_cancel(db, row.id, caller.requester_id, now):
            if job and job.state == JobState.PAUSED:
                template = shown_template_of(db, row)
                is_there = self.fleet.is_connected(job.worker_id)
                self._end_paused(db, SystemActor(), job, template, now, is_worker_there=is_there)
        else:
            return None
        data = {"called_by": caller.id}
        audit.append(db, now, row.org_id, SystemActor(), "cancel", f"automations/{row.id}", data)
        return job

    def _end_waiting(
        self, db: Connection, actor: Actor, row: AutomationRow, job: JobRow | None, now: datetime
    ) -> None:
        """Take back the lease or the approval of an automation cancelled before it began."""
        if job:
            jobs.give_back(db, job.id, now)
        told = self._withdraw(db, actor, approvals.find_of_automation(db, row.id), now)
        self.outbox.post_cancelled(db, row.org_id, row.id, actor, told)

    def _end_paused(
        self,
        db: Connection,
        actor: Actor | SystemActor,
        job: JobRow,
        template: Template,
        now: datetime,
        *,
        is_worker_there: bool,
    ) -> None:
        """Take back what a paused job asks.

        Its clean-up phases are left to its worker, if that is there to run them; else it ends at
        once. So it does whenever somebody cancels it for the second time.
        """
        asked = approvals.find(db, job.org_id, job.pause_id or "")
        told = self._withdraw(db, actor, asked, now)
        at = asked or calls.find_wait(db, job.pause_id or "")
        has_more = at is not None and leaves_work(template, at.phase or 0)
        if has_more and is_worker_there and not paused_ends.is_worker_gone(db, job):
            return

        explanation = f"{_named(actor)} cancelled it while it was paused"
        if at is not None and has_clean_up(template, at.phase or 0):
            explanation += "; its worker was not there, so its clean-up phases did not run"
        elif has_more:
            explanation += "; its worker was not there, so its folder may be left on its target"
        ending = Ending(AutomationState.CANCELLED, now, None, explanation)
        if not paused_ends.end(db, job, ending, actor):
            return
        if isinstance(actor, Actor):
            self.outbox.post_cancelled(db, job.org_id, job.automation_id, actor, told)
        else:
            self.outbox.post_finished(db, job.org_id, job.automation_id, ending.state)

    def _withdraw(
        self, db: Connection, actor: Actor | SystemActor, asked: ApprovalRow | None, now: datetime
    ) -> Notice | None:
        if asked is None:
            return None
        case = self.progress.load(db, asked)
        explanation = f"{_named(actor)} cancelled the automation"
        return self.progress.withdraw(db, case, explanation, now)


def _named(actor: Actor | SystemActor) -> str:
    return actor.email if isinstance(actor, Actor) else "what has called it"
