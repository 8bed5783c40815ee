"""The jobs that this worker holds, and what becomes of each.

A job is held from the answer that brought it until the server knows how it ended.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial

from opsicle.domain.automations import JobState
from opsicle.domain.errors import OpsicleError
from opsicle.domain.manifests import WorkOrder, digest
from opsicle.wire.jobs import Outcome, Work
from opsicle.wire.worker_api import RunningJob
from opsicle.worker.after_crash import plan_for
from opsicle.worker.allowance import Allowance
from opsicle.worker.artifact_spool import ArtifactSpool
from opsicle.worker.connection import ServerConnection
from opsicle.worker.file_downloads import FileDownloads
from opsicle.worker.held_jobs import HeldJobs
from opsicle.worker.identity import WorkerDataFolder
from opsicle.worker.job import HeldJob
from opsicle.worker.job_reporter import JobReporter
from opsicle.worker.job_threads import JobThreads, Task
from opsicle.worker.journal import Journal
from opsicle.worker.journal_lines import ChildProcess, CleanUpPlan, JobEntry
from opsicle.worker.kept_workspaces import KeptWorkspaces
from opsicle.worker.log_shipper import LogShipper
from opsicle.worker.lost_jobs import LostJobs
from opsicle.worker.paused_jobs import KeptJobs, KeptPause
from opsicle.worker.private_files import private_folder
from opsicle.worker.process import OsAccount
from opsicle.worker.run_as import JobAccounts
from opsicle.worker.runner import Runner
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtimes.table import Runtimes
from opsicle.worker.spool import Spool, SpoolQuota
from opsicle.worker.verification import Refused, Verifier

log = logging.getLogger(__name__)

_NO_JOURNAL_SECONDS = 10.0
"""How long no job is taken after the journal, or a file for a job, could not be written.

Else one would come, and go back, without end."""

_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What may name files; the server's own ids are shorter."""


class _JournalFailed(Exception):
    """What was written to the journal may not be on the disk; the message says why."""


class JobSupervisor:
    """The table of held jobs, and what is done with each. Safe to use from any thread.

    `verifier` says what of the work that comes was ordered; nothing else is begun. `runtimes` run
    its phases. `was_answered` is set once a poll was: then the leases of what an earlier run has
    left are renewed. `accounts` says as whom each org's jobs run, `boot_id` which boot of the
    process this is, `kept` has workspaces that are kept, `allowance` says how many jobs may be
    taken; set all before any comes. `on_rejected` is
    told when the server no longer accepts this worker at all; `on_idle` when the last job is gone.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what jobs touch
        self,
        folder: WorkerDataFolder,
        connection: ServerConnection,
        journal: Journal,
        verifier: Verifier,
        quota: SpoolQuota,
        runtimes: Runtimes,
        on_rejected: Callable[[OpsicleError], None],
        on_idle: Callable[[], None],
    ) -> None:
        self._folder = folder
        self.private_folder = private_folder(folder.workspaces, lets_through=folder.lets_through)
        self._connection = connection
        self._journal = journal
        self._verifier = verifier
        self._quota = quota
        self._runtimes = runtimes
        self._on_idle = on_idle
        self.accounts, self.boot_id = JobAccounts(), ""
        self.kept: KeptWorkspaces | None = None
        self.allowance = Allowance()
        self.shipper = LogShipper(connection)
        self._reporter = JobReporter(
            connection, on_rejected, wants_next=lambda: self.takes_more and self.can_begin
        )
        self.takes_more = True
        self.was_answered = threading.Event()
        self._cannot_begin_until = 0.0
        self._held = HeldJobs()
        self._paused = KeptJobs(folder, journal, self._reporter)
        self._threads = JobThreads()
        self._downloads = FileDownloads(folder.workspaces, self._reporter)
        self._lost = LostJobs(
            folder,
            runtimes,
            self._reporter,
            self.shipper,
            self.was_answered,
            self._account_of,
            self._runner_of_lost,
        )

    @property
    def can_begin(self) -> bool:
        """Whether a job that comes now could be noted in the journal, as far as anybody knows."""
        return time.monotonic() >= self._cannot_begin_until

    def held(self) -> tuple[RunningJob, ...]:
        """Return the jobs held now, for a poll."""
        return tuple(RunningJob(job.id, job.fence) for job in self._held.all())

    def paused(self) -> tuple[RunningJob, ...]:
        """Return the jobs that wait for people, for a poll."""
        held = {job.id for job in self._held.all()}
        return tuple(job for job in self._paused.listed() if job.job_id not in held)

    def take(self, work: Work) -> None:
        """Begin a job that a poll has brought; harmless if it is held already."""
        self._take(work, self._threads.run)

    def _take(self, work: Work, run: Callable[[Task], None]) -> None:
        if not _JOB_ID.fullmatch(work.job_id):
            log.error("a job's id cannot be used", extra={"job_id": work.job_id})
            return
        if not self._admits(work.job_id):
            log.info("a job is left to others", extra={"job_id": work.job_id})
            return

        spool = Spool(self._folder.spool, work.job_id, self._quota)
        artifacts = ArtifactSpool(self._folder.artifacts, work.job_id)
        if self._paused.find(work.job_id):
            artifacts.recover()  # so that its numbers go on
        job = HeldJob(work.job_id, work.fence, spool, artifacts, self.shipper, self._journal)
        if self._held.add(job):
            self._begin(lambda: self._carry_out(job, work), job, run)

    def _admits(self, job_id: str) -> bool:
        is_admitted = self.allowance.admits(job_id)
        if self.allowance.is_used_up:
            self.takes_more = False
        return is_admitted

    def resume(self) -> None:
        """Bring to an end what an earlier run left, as far as anybody can say how it ended."""
        for entry in self._journal.open_jobs():
            self._admits(entry.job_id)
            spool = Spool.recover(self._folder.spool, entry.job_id, self._quota)
            artifacts = ArtifactSpool(self._folder.artifacts, entry.job_id)
            artifacts.recover()
            job = HeldJob(entry.job_id, entry.fence, spool, artifacts, self.shipper, self._journal)
            conclude = self._restore if entry.paused and not entry.outcome else self._report_lost
            if self._held.add(job):
                self._begin(partial(conclude, job, entry), job, self._threads.run)

    def cancel(self, job_id: str) -> None:
        """Stop a job, as a person wants; its clean-up phases still run, and its end is reported."""
        if (job := self._held.find(job_id)) and not job.cancellation.requested:
            log.info("job is being cancelled", extra={"job_id": job_id})
            job.cancellation.cancel()

    def drop(self, job_id: str) -> None:
        """Stop and forget a job of which the lease is gone."""
        if job := self._held.find(job_id):
            job.drop("the server says that its lease is gone")
            self._connection.wake()
        else:
            self._paused.forget(job_id)

    def cancel_all(self) -> None:
        """Cancel every job, as the worker must end soon."""
        for job in self._held.all():
            self.cancel(job.id)

    def drop_all(self, reason: str) -> None:
        """Stop every job, as the server wants nothing from this worker any more."""
        for job in self._held.all():
            job.drop(reason)
        self._connection.wake()

    def drain(self) -> None:
        """Let jobs end, but do not try for ever to report those of which nothing runs."""
        self._reporter.draining_since = time.monotonic()

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no job is held. False if some still are after `seconds`."""
        return self._held.wait_until_empty(seconds)

    def end(self) -> None:
        """Wait for the server no more, and kill what runs; the journal tells the next run."""
        self._reporter.is_ending = True
        self.was_answered.set()
        self._connection.wake()
        for job in self._held.all():
            self._runtimes.sweep(job.id, grace_seconds=0)

    def _begin(self, task: Task, job: HeldJob, run: Callable[[Task], None]) -> None:
        def carry_out() -> None:
            try:
                task()
            except Exception:
                log.exception("the worker failed at a job", extra={"job_id": job.id})
            finally:
                self._release(job)

        run(carry_out)

    def _release(self, job: HeldJob) -> None:
        self._downloads.forget(job.id)
        is_idle = self._held.remove(job)
        if not self.can_begin:
            # So that the server hears that this worker holds it no more, and wants none.
            self._connection.interrupt_poll()
        if is_idle:
            self._on_idle()

    def _carry_out(self, job: HeldJob, work: Work) -> None:
        """Take a job from its lease to its acknowledged end.

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
            return
        runner = get_runner()
        if not may_start:
            runner.abandon()
            return

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
            job.say()
            return
        seconds = round(time.monotonic() - began_at, 3)
        job.say_later("job ended", {"state": outcome.state, "seconds": seconds})

        self.shipper.detach(job.log)
        if job.is_dropped:
            job.say()
            job.close()
            return
        job.note_end(outcome)
        self._report(job, outcome, job.spool.end)
        job.say()

    def _may_start(
        self,
        job: HeldJob,
        work: Work,
        order: WorkOrder,
        kept: KeptPause | None,
        get_runner: Callable[[], Runner],
    ) -> bool:
        """Note the job in the journal, and ask the server; meanwhile make ready what runs it."""

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

        try:
            if kept:
                return self._paused.start(job, kept, besides=prepare)
            return self._reporter.start(job, besides=prepare)
        except _JournalFailed as failure:
            # The server may have heard of it, so it is to hear of the end as well.
            facts = {"job_id": job.id, "reason": str(failure)}
            log.error("the journal is not durable: job not begun", extra=facts)  # noqa: TRY400
            explanation = f"the worker's disk failed, and nothing was run: {failure}"
            phases, log_bytes = (kept.run.phases, kept.run.log_bytes) if kept else ((), 0)
            outcome = Outcome(state=JobState.FAILED, phases=phases, explanation=explanation)
            self._report(job, outcome, log_bytes)
            return False

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
            on_artifacts=lambda: self._upload(job),
        )
        return Runner(work, job.log, host, job.cancellation)

    def _note_child(self, job: HeldJob, child: ChildProcess) -> None:
        job.note(lambda: self._journal.child(job.id, child))
        job.say()

    def _runner_of_lost(self, job: HeldJob, plan: CleanUpPlan) -> Runner:
        return self._runner(job, plan.work, plan.org_id, self._account_of(plan.org_id))

    def _account_of(self, org_id: str) -> OsAccount | None:
        """Return as whom an org's jobs run. Raises Refused."""
        return self.accounts.get(org_id)

    def _upload(self, job: HeldJob) -> None:
        """Send a running job's artifacts beside it; what cannot be sent goes with its end."""
        if job.artifacts.waiting():
            self._threads.run(lambda: self._reporter.upload(job))

    def _restore(self, job: HeldJob, entry: JobEntry) -> None:
        """Keep a job that waits for people since an earlier run of the worker."""
        if not self._paused.restore(job, entry) and entry.is_resuming:
            self._report_lost(job, entry)

    def _report_lost(self, job: HeldJob, entry: JobEntry) -> None:
        """Report what can be said of a job in whose midst an earlier run of the worker ended."""
        if ended := self._lost.conclude(job, entry):
            self._report(job, *ended)

    def _report(self, job: HeldJob, outcome: Outcome, log_bytes: int) -> None:
        """Deliver the rest of the log and the outcome, however long the server is away."""
        if (reply := self._reporter.finish(job, outcome, log_bytes, self.boot_id)) is None:
            return

        job.close()
        self._release(job)
        for work in reply.work:
            self._take(work, self._threads.run_next)
