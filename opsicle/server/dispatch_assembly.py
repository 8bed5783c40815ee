"""What an automation's job goes through: from the queue to a worker, and back with its log and end.

The lower half of a server's services, built before those of people; see assembly.py.
"""

from __future__ import annotations

from pathlib import Path

from opsicle.kit.clock import to_text
from opsicle.server.approvals.bindings import Bindings
from opsicle.server.approvals.evidence import Evidence
from opsicle.server.approvals.progress import Progress
from opsicle.server.approvals.requests import ApprovalRequests
from opsicle.server.channels.outbox import Outbox
from opsicle.server.contents.content_store import ContentStore
from opsicle.server.contents.content_sweep import ContentSweep
from opsicle.server.core import Core
from opsicle.server.dispatch.concurrency_groups import ConcurrencyGroups
from opsicle.server.dispatch.epoch_reports import EpochReports
from opsicle.server.dispatch.job_artifacts import JobArtifacts
from opsicle.server.dispatch.job_files import JobFiles
from opsicle.server.dispatch.job_logs import JobLogs
from opsicle.server.dispatch.jobs import Jobs
from opsicle.server.dispatch.lease_service import LeaseService
from opsicle.server.dispatch.lease_store import LeaseStore
from opsicle.server.dispatch.log_receiver import LogReceiver
from opsicle.server.dispatch.log_tails import LogTails
from opsicle.server.dispatch.order_signer import OrderSigner
from opsicle.server.dispatch.paused_jobs import PausedJobs
from opsicle.server.dispatch.plans import Plans
from opsicle.server.dispatch.quotas import LogQuotas
from opsicle.server.dispatch.run_windows import RunWindows
from opsicle.server.dispatch.service import Dispatch
from opsicle.server.dispatch.waiting_kinds import WaitingKinds
from opsicle.server.dispatch.work_builder import WorkBuilder
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.fleet.pubsub import PubSub
from opsicle.server.members.operator import ServerStatus
from opsicle.server.public_urls import Urls
from opsicle.server.replica_watch import ReplicaWatch
from opsicle.server.store import settings
from opsicle.server.store.orgs import list_allowing_shared
from opsicle.server.store.queue_limits import list_limited
from opsicle.server.workers.holds import Hold


class DispatchServices:
    """The services that hand work out and take in what comes of it, and what these stand on."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.bindings = Bindings(core.binding_key)
        self.pubsub = PubSub()
        self.fleet = Fleet(core.clock, core.state.read(list_allowing_shared))
        self.fleet.limited_orgs.update(core.state.read(list_limited))
        self.lease_store = LeaseStore(core.clock)
        self.urls = Urls()
        self.outbox = Outbox(core.clock)

        self._build_status(core)
        self._build_contents(core)
        self._build_leases(core)
        self._build_jobs(core)

    def _build_status(self, core: Core) -> None:
        """Build what is said of the server itself."""
        folder = core.artifacts_folder.parent
        hold = Hold(core.state, self.fleet, core.clock)
        self.replica = _replica_watch(core, folder)
        self.status = ServerStatus(core.epoch, hold, core.remarks, folder, self.replica)

    def _build_contents(self, core: Core) -> None:
        """Build where logs, artifacts and files are kept."""
        clock, state = core.clock, core.state
        self.job_logs = JobLogs(core.logs, clock, core.log_bounds, LogQuotas(state, clock))
        self.log_tails = LogTails(state, self.job_logs)
        self.evidence = Evidence(self.job_logs.beginning)
        self.contents = ContentStore(core.artifacts_folder, state, clock)
        self.content_sweep = ContentSweep(
            self.contents, state, clock, core.remarks.note_damaged_artifact
        )

    def _build_leases(self, core: Core) -> None:
        """Build what gives queued automations to workers, as signed orders."""
        clock, state, bindings = core.clock, core.state, self.bindings
        work_builder = WorkBuilder(
            core.vault,
            bindings,
            OrderSigner(core.order_key, clock, core.epoch),
            self.evidence,
            clock,
            core.log_bounds.job_bytes,
            core.artifact_bounds.limits,
        )

        self.progress = Progress(self.outbox, bindings)
        self.concurrency_groups = ConcurrencyGroups(
            state, self.fleet, self.pubsub, self.outbox, clock
        )
        self.lease_service = LeaseService(
            WaitingKinds(state),
            self.concurrency_groups,
            self.fleet,
            self.lease_store,
            self.pubsub,
            self.outbox,
            clock,
            work_builder,
            PausedJobs(self.progress, bindings, self.outbox, clock),
        )

    def _build_jobs(self, core: Core) -> None:
        """Build what workers report of their jobs, and what they fetch for them."""
        clock, state = core.clock, core.state
        requests = ApprovalRequests(self.progress, clock)
        self.epoch_reports = EpochReports(
            state, self.status.hold, core.order_key.public, core.epoch, clock
        )
        self.jobs = Jobs(
            state,
            LogReceiver(state, self.job_logs, self.log_tails),
            self.lease_service,
            self.pubsub,
            self.outbox,
            self.epoch_reports,
            Plans(requests, self.bindings, self.evidence, self.outbox, clock),
            clock,
        )

        self.job_artifacts = JobArtifacts(
            state,
            self.contents,
            self.content_sweep,
            self.jobs.unknown,
            self.pubsub,
            clock,
            core.artifact_bounds,
        )
        self.job_files = JobFiles(state, self.contents, self.jobs.unknown)
        self.dispatch = Dispatch(state, self.jobs, self.lease_service, self.urls, clock)
        self.run_windows = RunWindows(
            state, self.concurrency_groups, self.fleet, self.pubsub, self.outbox, clock
        )


def _replica_watch(core: Core, folder: Path) -> ReplicaWatch | None:
    """Return what looks after a standby's replica, if this server was told of one."""
    if core.replica_folder is None:
        return None
    state, clock = core.state, core.clock

    def beat() -> None:
        at = to_text(clock.now())
        state.write(lambda db: settings.put(db, settings.REPLICA_BEAT, at))

    return ReplicaWatch(folder, core.replica_folder, core.remarks.shown, clock, beat)
