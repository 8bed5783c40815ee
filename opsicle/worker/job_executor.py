"""Carrying out one job: from the answer that brought it to how it ended here."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial

from opsicle.domain.automations import JobState
from opsicle.domain.manifests import WorkOrder, digest
from opsicle.wire.jobs import Outcome, Work
from opsicle.worker.after_crash import plan_for
from opsicle.worker.file_downloads import FileDownloads
from opsicle.worker.identity import WorkerDataFolder
from opsicle.worker.job import HeldJob
from opsicle.worker.job_reporter import JobReporter
from opsicle.worker.job_threads import JobThreads
from opsicle.worker.journal import Journal
from opsicle.worker.journal_lines import ChildProcess, CleanUpPlan
from opsicle.worker.kept_workspaces import KeptWorkspaces
from opsicle.worker.log_shipper import LogShipper
from opsicle.worker.lost_jobs import ReportableEnd
from opsicle.worker.os_account import OsAccount
from opsicle.worker.paused_jobs import KeptJobs, KeptPause
from opsicle.worker.private_files import private_folder
from opsicle.worker.run_as import JobAccounts
from opsicle.worker.runner import Runner
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtimes.table import Runtimes
from opsicle.worker.verification import Refused, Verifier

log = logging.getLogger(__name__)

_NO_JOURNAL_SECONDS = 10.0
"""How long no job is taken after the journal, or a file for a job, could not be written.

Else one would come, and go back, without end."""


class _JournalFailed(Exception):
    """What was written to the journal may not be on the disk; the message says why."""


class JobExecutor:
    """Carries out jobs, each in the thread of whoever asks. Safe to use from any thread.

    `verifier` says what of the work that comes was ordered; nothing else is begun. `runtimes` run
    its phases, `threads` what is done beside them. `accounts` says as whom each org's jobs run,
    `kept` has workspaces that are kept; set both before any job comes.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what a job touches
        self,
        folder: WorkerDataFolder,
        journal: Journal,
        verifier: Verifier,
        runtimes: Runtimes,
        reporter: JobReporter,
        shipper: LogShipper,
        paused: KeptJobs,
        threads: JobThreads,
    ) -> None:
        self._folder = folder
        self.private_folder = private_folder(folder.workspaces, lets_through=folder.lets_through)
        self._journal = journal
        self._verifier = verifier
        self._runtimes = runtimes
        self._reporter = reporter
        self._shipper = shipper
        self._paused = paused
        self._threads = threads
        self._downloads = FileDownloads(folder.workspaces, reporter)
        self._cannot_begin_until = 0.0
        self.accounts = JobAccounts()
        self.kept: KeptWorkspaces | None = None

    @property
    def can_begin(self) -> bool:
        """Whether a job that comes now could be noted in the journal, as far as anybody knows."""
        return time.monotonic() >= self._cannot_begin_until

    def execute(self, job: HeldJob, work: Work) -> ReportableEnd | None:
        """Carry out a job, and return how it ended. None if there is nothing to report of it.

        So it is if it was refused, may not begin here, was dropped, or waits for people now.
        Nothing is executed that was not ordered, or that was before, and nothing before the journal
        and the server know.
        """
        try:
            order = self._verifier.check(work)
            account = self.accounts.get(order.org_id)
            kept = self._paused.find_resumed(job.id, order)
            get_runner = cache(lambda: self._runner(job, work, order.org_id, account))
            may_start = self._may_start(job, work, order, kept, get_runner)
        except Refused as refused:
            self._reporter.refuse(job, refused)
            return None
        except _JournalFailed as failure:
            get_runner().abandon()
            return self._end_of_not_begun(job, kept, failure)
        if not may_start:
            get_runner().abandon()
            return None
        return self._carry_out(job, work, order, kept, get_runner())

    def _carry_out(
        self, job: HeldJob, work: Work, order: WorkOrder, kept: KeptPause | None, runner: Runner
    ) -> ReportableEnd | None:
        """Run a job that has begun, to its end or until it waits for people."""
        facts = {
            "automation": work.automation_id,
            "template": work.template,
            "manifest": digest(work.manifest),
        }
        job.say_later("job goes on" if kept else "job started", facts)

        began_at = time.monotonic()
        job.idle_since = None
        run = self._paused.resumption(runner, kept, order) if kept else runner.run
        outcome = self._run(job, work, order.org_id, run)
        if outcome is None:
            self._paused.remember_masking(job.id, runner.masking)
            job.say_later("job waits for people", {})
            job.catch_up()
            return None
        seconds = round(time.monotonic() - began_at, 3)
        job.say_later("job ended", {"state": outcome.state, "seconds": seconds})

        self._shipper.detach(job.log)
        if job.is_dropped:
            job.catch_up()
            job.close()
            return None
        job.note_end(outcome)
        return ReportableEnd(outcome, job.spool.end)

    def forget(self, job: HeldJob) -> None:
        """Remove the files that were fetched for a job, and no workspace has taken."""
        self._downloads.forget(job.id)

    def _may_start(
        self,
        job: HeldJob,
        work: Work,
        order: WorkOrder,
        kept: KeptPause | None,
        get_runner: Callable[[], Runner],
    ) -> bool:
        """Note the job in the journal, and ask the server; meanwhile make ready what runs it.

        Raises _JournalFailed.
        """

        def prepare() -> None:
            self._sync()
            if not kept:
                with suppress(OSError):  # it would be taken for the network's; `run` meets it again
                    get_runner().prepare()

        try:
            if not kept and not self._downloads.fetch(job, work):
                return False
            self._journal.record_order(order, job.id, job.fence)
            note = self._journal.resuming if kept else self._journal.starting
            note(job.id, job.fence)
        except OSError as error:
            # Never asked for, so never begun: the lease lapses, and whoever has room gets the job.
            self._cannot_begin_until = time.monotonic() + _NO_JOURNAL_SECONDS
            facts = {"job_id": job.id, "reason": str(error)}
            log.error("the disk cannot be written: job not begun", extra=facts)  # noqa: TRY400
            return False

        if kept:
            return self._paused.start(job, kept, besides=prepare)
        return self._reporter.start(job, besides=prepare)

    def _end_of_not_begun(
        self, job: HeldJob, kept: KeptPause | None, failure: _JournalFailed
    ) -> ReportableEnd:
        """Say that the disk failed, as the server may have heard of the job."""
        facts = {"job_id": job.id, "reason": str(failure)}
        log.error("the journal is not durable: job not begun", extra=facts)
        explanation = f"the worker's disk failed, and nothing was run: {failure}"
        phases, log_bytes = (kept.run.phases, kept.run.log_bytes) if kept else ((), 0)
        outcome = Outcome(state=JobState.FAILED, phases=phases, explanation=explanation)
        return ReportableEnd(outcome, log_bytes)

    def _sync(self) -> None:
        """Make the journal durable. Raises _JournalFailed: an OSError would be the network's."""
        try:
            self._journal.sync()
        except OSError as error:
            raise _JournalFailed(error.strerror or str(error)) from error

    def _run(
        self, job: HeldJob, work: Work, org_id: str, run: Callable[[], Outcome | None]
    ) -> Outcome | None:
        try:
            if plan := plan_for(work, org_id):
                job.note(lambda: self._journal.clean_up(job.id, plan))
            return run()
        except Exception:
            log.exception("the runner failed at a job", extra={"job_id": job.id})
            self._runtimes.sweep(job.id)
            return Outcome(
                state=JobState.UNKNOWN,
                phases=(),
                explanation="the worker failed while it ran the job",
            )

    def _runner(self, job: HeldJob, work: Work, org_id: str, account: OsAccount | None) -> Runner:
        host = RunnerHost(
            workspace_root=self._folder.workspaces,
            runtimes=self._runtimes,
            account=account,
            private_folder=self.private_folder,
            on_clean_up=lambda phase: job.note(lambda: self._journal.begun(job.id, phase)),
            ask=partial(self._paused.ask, job),
            on_mask=lambda: job.note(lambda: self._journal.masked(job.id)),
            on_child=lambda pid, instance: self._note_child(job, ChildProcess(pid, instance)),
            artifacts=job.artifacts,
            org_id=org_id,
            kept=self.kept,
            put_off=job.put_off,
            on_artifacts=lambda: self._upload(job),
        )
        return Runner(work, job.log, host, job.cancellation)

    def _note_child(self, job: HeldJob, child: ChildProcess) -> None:
        job.note(lambda: self._journal.child(job.id, child))
        job.catch_up()

    def runner_of_lost(self, job: HeldJob, plan: CleanUpPlan) -> Runner:
        """Return what cleans up after a job that an earlier run left. Raises Refused."""
        return self._runner(job, plan.work, plan.org_id, self.require_account(plan.org_id))

    def require_account(self, org_id: str) -> OsAccount | None:
        """Return as whom an org's jobs run. Raises Refused."""
        return self.accounts.get(org_id)

    def _upload(self, job: HeldJob) -> None:
        """Send a running job's artifacts beside it; what cannot be sent goes with its end."""
        if job.artifacts.waiting():
            self._threads.run(lambda: self._reporter.upload(job))
