"""Triggering, showing and cancelling automations."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from opsicle.domain.access import Action
from opsicle.domain.automations import AutomationState
from opsicle.domain.bound_calls import BoundCall
from opsicle.domain.bound_fan_outs import BoundFanOut, BoundMember
from opsicle.domain.errors import InvalidInput
from opsicle.domain.files import file_variables
from opsicle.domain.variables import check_values
from opsicle.domain.workers import Requirements
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.access.template_access import is_automation_hidden
from opsicle.server.approvals.bindings import Bindings
from opsicle.server.approvals.progress import Progress
from opsicle.server.approvals.requests import ApprovalRequests
from opsicle.server.automations import given_files
from opsicle.server.automations.bound_fan_outs import bound_fan_out
from opsicle.server.automations.cancelling import Cancelling
from opsicle.server.automations.chosen_workers import chosen_worker
from opsicle.server.automations.filters import newest_of_states, require_known
from opsicle.server.automations.listed_phases import listed, phase_states
from opsicle.server.automations.new_runs import (
    CheckedRun,
    NewRun,
    Origin,
    placing_of,
    sealed_values,
)
from opsicle.server.automations.planned_starts import PlannedStarts, wanted_start
from opsicle.server.automations.recent_runs import RecentRuns
from opsicle.server.automations.repeated_requests import digest_of, find_made
from opsicle.server.automations.repeats import request_again
from opsicle.server.automations.resumed_runs import ResumedRun
from opsicle.server.automations.run_insertion import RunInsertion
from opsicle.server.automations.run_previews import RunPreviews
from opsicle.server.automations.runnable import runnable_version
from opsicle.server.automations.shown_targets import automation_targets
from opsicle.server.automations.snapshots import snapshot_of
from opsicle.server.automations.starters import Starter
from opsicle.server.automations.views import Snapshot, summary, whole
from opsicle.server.automations.visible import get_visible
from opsicle.server.automations.waiting import queue_view, view_of_new
from opsicle.server.channels.outbox import Outbox
from opsicle.server.dispatch.concurrency_groups import ConcurrencyGroups, GroupChanges
from opsicle.server.dispatch.job_logs import JobLogs
from opsicle.server.dispatch.service import Dispatch
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.fleet.pubsub import PubSub, automation_topic, org_topic
from opsicle.server.http.paging import page_of
from opsicle.server.identity.step_up import StepUp
from opsicle.server.keys.vault import Vault
from opsicle.server.store import (
    files,
    jobs,
)
from opsicle.server.store.automations import AutomationFilter, AutomationRow
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.files import AutomationFileRow
from opsicle.server.store.jobs import JobRow
from opsicle.wire.pages import Page
from opsicle.wire.user_api import Automation, ListedAutomation, RunRequest


class Automations:
    """What people do with automations; what workers do is in `dispatch/jobs.py`."""

    def __init__(  # noqa: PLR0913, PLR0917 - what automations touch
        self,
        database: Database,
        job_logs: JobLogs,
        dispatch: Dispatch,
        groups: ConcurrencyGroups,
        fleet: Fleet,
        pubsub: PubSub,
        clock: Clock,
        vault: Vault,
        progress: Progress,
        outbox: Outbox,
        step_up: StepUp,
        bindings: Bindings,
    ) -> None:
        self.recent = RecentRuns(database)
        self.planned = PlannedStarts(database, fleet)
        self.previews = RunPreviews(database, fleet, progress, clock)
        self._database = database
        self._job_logs = job_logs
        self._dispatch = dispatch
        self._groups = groups
        self._fleet = fleet
        self._pubsub = pubsub
        self._clock = clock
        self._vault = vault
        self._cancelling = Cancelling(progress, outbox, fleet)
        self._step_up = step_up
        requests = ApprovalRequests(progress, clock)
        self._insertion = RunInsertion(vault, bindings, requests, groups)

    def create(  # noqa: PLR0913, PLR0917 - all that it may come from
        self,
        actor: Actor,
        request: RunRequest,
        idempotency_key: str = "",
        rerun_of: str = "",
        starter: Starter | None = None,
        resumed: ResumedRun | None = None,
        only: str = "",
    ) -> Automation:
        """Trigger an automation, which is queued or waits for approval; durable on return.

        The same `idempotency_key` with the same request answers with the automation that the first
        call made. Raises NotFound for an unknown template, InvalidInput for values that do not fit,
        Conflict for a template that cannot run yet, an approval that nobody could give, or a key
        that was used for another request; as `StepUp.require_code` where the template asks for a
        code.
        """
        actor.require(Action.AUTOMATIONS_CREATE)
        version, template, needs_code = self._database.read(
            lambda db: runnable_version(db, actor, request)
        )
        now, origin = self._clock.now(), Origin(rerun_of, starter, resumed, only)
        try:
            given = given_files.look_up(
                self._database, actor, template.variables, request.values, origin.source, now
            )
        except InvalidInput:  # perhaps its answer got lost, and its uploads have expired since
            if made := self._find_made(actor, request, idempotency_key, origin):
                return self.get(actor, made)
            raise

        values = check_values(template.variables, given)
        run = CheckedRun(version, template, request, values, origin)
        fan_out, calls, chosen = self._database.read(lambda db: self._look_up(db, actor, run))
        if needs_code and origin.member is None:  # a part's was shown when the whole was triggered
            self._step_up.require_code(actor, f"running {template.name}")

        start_at = wanted_start(request, template, now)
        placing = placing_of(template, run.values, origin, fan_out, chosen, start_at)
        row = run.row(actor, placing, calls, fan_out, now)
        sealed = sealed_values(self._vault, row, template, run.values)
        new = NewRun(row, template, request, given, *sealed, needs_code, starter, resumed)
        return self._store(actor, new, placing.asked, idempotency_key)

    def _find_made(
        self, actor: Actor, request: RunRequest, idempotency_key: str, origin: Origin
    ) -> str | None:
        """Return the automation that the same request has made before, by the same key."""
        digest = digest_of(self._vault, request, origin.rerun_of, origin.resumed)
        return self._database.read(lambda db: find_made(db, actor, idempotency_key, digest))

    def _look_up(
        self, db: Connection, actor: Actor, run: CheckedRun
    ) -> tuple[BoundFanOut | None, tuple[BoundCall, ...], BoundMember | None]:
        """Return on which machines it will run, what it will call, and the worker it is for."""
        fan_out = bound_fan_out(db, self._fleet, actor, run.template, run.origin)
        calls = run.bound_calls(db, self._fleet, actor, fan_out)
        chosen = chosen_worker(db, self._fleet, actor, run.template, run.request.worker)
        return fan_out, calls, chosen

    def _store(
        self, actor: Actor, new: NewRun, asked: Requirements, idempotency_key: str
    ) -> Automation:
        """Record what has been checked, and let it begin on a worker that waits, if one does."""
        with self._dispatch.reserve_slot(actor.org_id, asked) as reservation:
            stored = self._database.write(
                lambda db: self._insertion.insert(db, actor, new, idempotency_key, reservation)
            )

        if stored.id != new.row.id:
            return self.get(actor, stored.id)
        if reservation is None:
            self._fleet.wake_one(actor.org_id, asked)
        self._groups.announce(new.group_changes)
        self._pubsub.changed(org_topic(actor.org_id))
        return self._automation_of(stored, new)

    def _automation_of(self, row: AutomationRow, new: NewRun) -> Automation:
        """Return whole what has just been made, of which there is little to look up."""
        queue = view_of_new(self._database, self._fleet, row)
        point = new.resumed.point if new.resumed else None
        kept: list[AutomationFileRow] = []
        if file_variables(new.template.variables):
            kept = self._database.read(lambda db: files.list_of_automation(db, row.id))
        snapshot = Snapshot(row, new.template, [], 0, queue, resume_point=point, files=kept)
        if row.fan_out:
            targets = self._database.read(lambda db: automation_targets(db, row))
            snapshot = replace(snapshot, targets=targets)
        return whole(snapshot)

    def rerun(self, actor: Actor, automation_id: str, idempotency_key: str = "") -> Automation:
        """Trigger a new automation of the same version with the same values; it names the old one.

        Raises as `create` and `request_again`.
        """
        actor.require(Action.AUTOMATIONS_CREATE)

        old, _, request = self._database.read(
            lambda db: request_again(db, self._vault, actor, automation_id)
        )
        return self.create(actor, request, idempotency_key, rerun_of=old.id)

    def get(self, actor: Actor, automation_id: str) -> Automation:
        """Return one automation whole. Raises NotFound."""
        actor.require(Action.AUTOMATIONS_VIEW)

        snapshot = self._database.read(
            lambda db: snapshot_of(db, self._fleet, actor, automation_id)
        )
        if (newest := snapshot.newest_job) is None:
            return whole(snapshot)
        size, remark = self._job_logs.size_and_remark(newest.id, newest.leased_at)
        return whole(replace(snapshot, log_bytes=size, log_remark=remark))

    def list_newest(
        self, actor: Actor, wanted: AutomationFilter, cursor: str, limit: int
    ) -> Page[ListedAutomation]:
        """Return a page of the org's automations, newest first.

        Those whose templates the caller may not see are left out: a page may hold fewer than
        `limit`, and still not be the last. Raises NotFound where the filter names a template or a
        requester that the org has not, instead of an empty list that looks like an answer.
        """
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> list[AutomationRow]:
            rows = newest_of_states(db, actor.org_id, wanted, cursor, limit + 1)
            hidden.update(row.id for row in rows if is_automation_hidden(db, actor, row))
            return rows

        hidden: set[str] = set()
        rows = (
            self._database.read_long(query, actor.org_id)
            if wanted.is_long
            else self._database.read(query)
        )
        queue, phases = self._database.read(
            lambda db: (queue_view(db, self._fleet, actor.org_id, rows), phase_states(db, rows))
        )
        reasons: dict[str, str] = {}
        page = page_of(
            rows,
            limit,
            lambda row: listed(summary(row, queue, reasons), row.job_id, phases),
            lambda row: row.id,
            lambda row: row.id in hidden,
        )
        if not page.items and not cursor:
            self._database.read(lambda db: require_known(db, actor, wanted))
        return page

    def cancel(self, actor: Actor, automation_id: str) -> Automation:
        """End a waiting or paused automation, or ask the worker to stop a running one.

        A paused one whose clean-up phases its worker is to run ends at the second time; asking
        twice is harmless otherwise. Raises NotAllowed unless the caller triggered it and still may,
        or may cancel any; Conflict if it is over.
        """
        actor.require(Action.AUTOMATIONS_VIEW)
        now = self._clock.now()
        self._cancel(
            actor.org_id,
            automation_id,
            lambda db: self._cancelling.cancel(db, actor, automation_id, now),
        )
        return self.get(actor, automation_id)

    def cancel_called(self, caller: AutomationRow, automation_id: str) -> None:
        """End what an automation has called that does not wait for it any more."""
        now = self._clock.now()
        self._cancel(
            caller.org_id,
            automation_id,
            lambda db: self._cancelling.cancel_called(db, caller, automation_id, now),
        )

    def _cancel(
        self, org_id: str, automation_id: str, cancel: Callable[[Connection], JobRow | None]
    ) -> None:
        changes = GroupChanges()

        def work(db: Connection) -> JobRow | None:
            job = cancel(db)
            self._groups.advance(db, changes)
            return job

        job = self._database.write(work)
        self._groups.announce(changes)
        if job:
            self._dispatch.job_cancelled(job)
        self._pubsub.changed(automation_topic(automation_id), org_topic(org_id))

    def newest_job(
        self, actor: Actor, automation_id: str, *, of_plan: bool = False
    ) -> JobRow | None:
        """Return the newest job, or that of its plan, None before the first. Raises NotFound.

        One that runs on several machines has that of its plan alone, which is the newest while it
        plans.
        """
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> JobRow | None:
            row, _ = get_visible(db, actor, automation_id)
            if row.fan_out and not of_plan and row.state is not AutomationState.PLANNING:
                return None
            tries = jobs.list_of_automation(db, automation_id)
            return next((job for job in reversed(tries) if job.is_plan or not of_plan), None)

        return self._database.read(query)
