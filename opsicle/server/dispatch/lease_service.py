"""Giving waiting automations to workers: inside whatever transaction finds that one has room."""

from __future__ import annotations

import logging

from opsicle.domain.automations import AutomationState
from opsicle.domain.manifest_formats import FieldNotSupported, newest_common
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.server.access.actor import WorkerActor
from opsicle.server.access.stored_values import stored_requirements
from opsicle.server.approvals.bindings import AlteredManifest
from opsicle.server.channels.outbox import Outbox
from opsicle.server.dispatch.concurrency_groups import ConcurrencyGroups
from opsicle.server.dispatch.lease_store import Lease, LeaseStore
from opsicle.server.dispatch.leased_work import LeasedWork, PlannedLease
from opsicle.server.dispatch.paused_jobs import PausedJobs, Resumption
from opsicle.server.dispatch.queue_limits import free_capacity
from opsicle.server.dispatch.queue_reader import QueueReader
from opsicle.server.dispatch.refusals import refuse
from opsicle.server.dispatch.run_windows import expire, is_open
from opsicle.server.dispatch.waiting_kinds import WaitingKinds
from opsicle.server.dispatch.work_builder import CheckedWork, WorkBuilder, WorkManifest
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.fleet.presence import Presence
from opsicle.server.fleet.pubsub import PubSub, automation_topic, org_topic
from opsicle.server.store import automation_transitions, automations, jobs, orgs, run_windows
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.epochs import Epoch
from opsicle.server.store.jobs import JobRow

log = logging.getLogger(__name__)


class LeaseService:
    """Who may have what, and for how long.

    `lease_…` run inside a transaction; `granted` after it is durable.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a lease touches
        self,
        kinds: WaitingKinds,
        groups: ConcurrencyGroups,
        fleet: Fleet,
        lease_store: LeaseStore,
        pubsub: PubSub,
        outbox: Outbox,
        clock: Clock,
        work_builder: WorkBuilder,
        paused: PausedJobs,
    ) -> None:
        self.kinds = kinds
        self.queue = QueueReader(kinds, fleet)
        self.groups = groups
        self.fleet = fleet
        self.lease_store = lease_store
        self._pubsub = pubsub
        self._outbox = outbox
        self._clock = clock
        self._work_builder = work_builder
        self.paused = paused

    def notify_org(self, presence: Presence) -> None:
        """Wake whoever looks at a worker that is gone or has come, or at what waits for it."""
        self._pubsub.changed(org_topic(presence.org_id))

    @property
    def epoch(self) -> Epoch:
        """That of the server, which stands in every order."""
        return self._work_builder.epoch

    def free_slots(self, presence: Presence, occupied: int) -> int:
        """Return how many more jobs a worker can be given that has `occupied` slots in use.

        By its own word in its newest poll, less what has been promised to it and is not yet
        durable.
        """
        poll = presence.poll
        if self.fleet.held or not self.fleet.may_have_work(presence):
            return 0
        return (
            min(poll.slots, poll.free_slots + len(poll.jobs)) - occupied - presence.reserved_slots
        )

    def lease_waiting(
        self, db: Connection, presence: Presence, free: int, *, is_pushed: bool = False
    ) -> LeasedWork:
        """Lease up to `free` jobs: those that it has paused and may go on, then the queue's."""
        leased = LeasedWork(is_pushed)
        if free <= 0:
            return leased
        self._resume_decided(db, presence, free, leased)
        has_more = True
        while has_more and len(leased.items) < free:
            refused = len(leased.refused)
            for row in self.queue.list_next(db, presence, free - len(leased.items), leased):
                self.lease_one(db, presence, row, leased)
            turns = leased.group_changes.turns
            self.groups.advance(db, leased.group_changes)
            # behind those that were refused, and where the lease of one has changed others' turns
            has_more = len(leased.refused) > refused or leased.group_changes.turns > turns
        return leased

    def lease_paused(self, db: Connection, presence: Presence, occupied: int) -> LeasedWork:
        """Lease to a worker that takes nothing new what it has paused and may go on."""
        leased = LeasedWork(is_pushed=False)
        is_out = self.fleet.held or presence.is_revoked or self.fleet.withheld_reason(presence)
        free = presence.poll.slots - occupied
        if not is_out and free > 0:
            self._resume_decided(db, presence, free, leased)
        return leased

    def _resume_decided(
        self, db: Connection, presence: Presence, free: int, leased: LeasedWork
    ) -> None:
        for job in self.paused.list_decided(db, presence.worker_id, free):
            self._resume(db, presence, job, leased)
        self.groups.advance(db, leased.group_changes)

    def lease_one(
        self, db: Connection, presence: Presence, row: AutomationRow, leased: LeasedWork
    ) -> None:
        """Lease this automation, unless someone was first, or it may not begin now.

        Its org may not share workers, or its concurrency group have no room, as another one may
        just have been leased. One that is not what was triggered and approved is ended instead.
        """
        if not self._may_have(db, presence, row.org_id):
            return
        checked = self.check_now(db, row, leased)
        planned = self._plan(presence, row, checked) if checked else None
        if planned and automation_transitions.lease(
            db, row.id, row.fence, planned.lease.fence, planned.lease.job_id
        ):
            self.begin(db, presence, row, planned, leased)

    def check_now(
        self, db: Connection, row: AutomationRow, leased: LeasedWork
    ) -> CheckedWork | None:
        """Return what an automation will run that may begin now, as far as workers go.

        None if it may not: it is ended that is not what was triggered and approved, or has missed
        its window; it waits on for its window, or for its concurrency group.
        """
        try:
            checked = self._work_builder.check(db, row)
        except AlteredManifest as altered:
            reason, now = str(altered), self._clock.now()
            if refuse(db, self._outbox, now, row.org_id, row.id, reason):
                leased.refused.append(row)
            return None

        if not is_open(row, self._clock.now()):
            self._hold_or_expire(db, row, leased)
            return None

        if row.state is not AutomationState.PLANNING and not self.groups.has_room(db, row):
            self.groups.note(db, row)
            return None
        return checked

    def _hold_or_expire(self, db: Connection, row: AutomationRow, leased: LeasedWork) -> None:
        """Take an automation out of the queue that is not in its window: for now, or for good."""
        now = self._clock.now()
        if row.not_after and now >= row.not_after:
            if expire(db, self._outbox, row, now):
                leased.refused.append(row)
        elif run_windows.wait_for_window(db, row.id):
            leased.group_changes.turns += 1

    def _resume(self, db: Connection, presence: Presence, job: JobRow, leased: LeasedWork) -> None:
        """Lease a paused job anew, if its people's decision stands; else end it."""
        if not self._may_have(db, presence, job.org_id):
            return

        row = automations.get(db, job.org_id, job.automation_id)
        try:
            checked = self._work_builder.check_bound(db, row)
            resume = self._work_builder.resume(db, row, job, checked)
        except AlteredManifest as altered:
            if self.paused.end_altered(db, row, job, altered):
                leased.refused.append(row)
            return

        manifest = self._manifest_for(presence, row, checked)
        if manifest is None:
            return
        fence = max(row.fence, self.epoch.fence_floor) + 1
        lease = Lease(job.id, row.id, row.org_id, presence.worker_id, fence)
        if self.paused.lease(db, Resumption(row, job, lease)):
            self.lease_store.grant(lease, is_pushed=leased.is_pushed)
            work = self._work_builder.make(db, row, lease, checked, manifest, resume)
            leased.items.append((lease, work))

    def _may_have(self, db: Connection, presence: Presence, org_id: str) -> bool:
        """Return whether a worker may be given any work of an org, by the database of now."""
        if self.fleet.held or not may_serve(db, presence, org_id):
            return False
        return free_capacity(db, org_id, 1) > 0

    def plan_new(
        self, db: Connection, presence: Presence, row: AutomationRow, checked: CheckedWork
    ) -> PlannedLease | None:
        """Return a worker's place for an automation that is about to be inserted.

        None if the worker may not have it.

        `checked` is what the transaction has bound itself: comparing that with what it writes would
        show nothing.
        """
        if not self._may_have(db, presence, row.org_id):
            return None
        return self._plan(presence, row, checked)

    def _plan(
        self, presence: Presence, row: AutomationRow, checked: CheckedWork
    ) -> PlannedLease | None:
        if row.fan_out and row.state is not AutomationState.PLANNING:
            return None  # whatever a worker says that it offers
        manifest = self._manifest_for(presence, row, checked)
        if manifest is None:
            return None
        fence = max(row.fence, self.epoch.fence_floor) + 1
        job_id = new_id(self._clock.now())
        return PlannedLease(
            Lease(job_id, row.id, row.org_id, presence.worker_id, fence), checked, manifest
        )

    def begin(
        self,
        db: Connection,
        presence: Presence,
        row: AutomationRow,
        planned: PlannedLease,
        leased: LeasedWork,
    ) -> None:
        """Give a worker an automation whose row says so already.

        Its time begins here, before the commit, so that no poll in between takes it for never
        received; if the transaction fails, a lease without a job is left, which lapses without a
        trace.
        """
        if presence.is_shared:
            orgs.note_served_by_shared(db, row.org_id)
        jobs.insert(db, planned.lease.job_id, row.id, presence.worker_id, self._clock.now())
        self.lease_store.grant(planned.lease, is_pushed=leased.is_pushed)
        work = self._work_builder.make(db, row, planned.lease, planned.checked, planned.manifest)
        leased.items.append((planned.lease, work))

    def _manifest_for(
        self, presence: Presence, row: AutomationRow, checked: CheckedWork
    ) -> WorkManifest | None:
        """Return the manifest as this worker can read it.

        Return None if it is too old, or too new, to be told all of it.
        """
        formats = presence.poll.formats
        number = newest_common(formats)
        try:
            return (
                WorkManifest(checked.bound.encoded_for(number, formats), number) if number else None
            )
        except FieldNotSupported as missing:
            if self.fleet.note_unsupported(presence, row.id):
                # Nobody else was woken for it, as this worker was chosen.
                self.fleet.wake_one(row.org_id, stored_requirements(row.requirements))
                log.warning(
                    "a worker of another version cannot be told all that an automation does",
                    extra={"worker": presence.name, "automation": row.id, "missing": str(missing)},
                )
            return None

    def make_use_of_room(self, org_id: str) -> None:
        """Wake a worker for what waits in an org where one more may run, as one has ended."""
        if org_id in self.fleet.limited_orgs:
            any(self.fleet.wake_one(org_id, asked) for asked in self.kinds.requirements(org_id))

    def granted(self, presence: Presence, leased: LeasedWork) -> None:
        """Tell followers of leases that are durable now, and wake who else has room."""
        self.kinds.update(leased.scans)
        for lease, _ in leased.items:
            self._pubsub.changed(automation_topic(lease.automation_id), org_topic(lease.org_id))
            leased.group_changes.opened.pop(lease.automation_id, None)
        for row in leased.refused:
            self._pubsub.changed(automation_topic(row.id), org_topic(row.org_id))
        self.groups.announce(leased.group_changes)
        if leased.items:
            for org_id, wanted in leased.left_waiting:
                self.fleet.wake_one(org_id, wanted)


def may_serve(db: Connection, worker: Presence | WorkerActor, org_id: str) -> bool:
    """Return whether a worker is an org's own or shared with it, by what the database says now.

    Whether the org is suspended is for `free_capacity` and the start of a job to say.
    """
    return orgs.allows_shared_workers(db, org_id) if worker.is_shared else worker.org_id == org_id
