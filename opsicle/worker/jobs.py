"""The jobs that this worker holds, and what becomes of each.

A job is held from the answer that brought it until the server knows how it ended.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from functools import partial

from opsicle.domain.errors import OpsicleError
from opsicle.wire.jobs import Outcome, Work
from opsicle.wire.worker_api import RunningJob
from opsicle.worker.allowance import Allowance
from opsicle.worker.artifact_spool import ArtifactSpool
from opsicle.worker.connection import ServerConnection
from opsicle.worker.held_jobs import HeldJobs
from opsicle.worker.identity import WorkerDataFolder
from opsicle.worker.job import HeldJob
from opsicle.worker.job_executor import JobExecutor
from opsicle.worker.job_reporter import JobReporter
from opsicle.worker.job_threads import JobThreads, Task
from opsicle.worker.journal import Journal
from opsicle.worker.journal_lines import JobEntry
from opsicle.worker.log_shipper import LogShipper
from opsicle.worker.lost_jobs import LostJobs
from opsicle.worker.paused_jobs import KeptJobs
from opsicle.worker.runtimes.table import Runtimes
from opsicle.worker.spool import Spool, SpoolQuota
from opsicle.worker.verification import Verifier

log = logging.getLogger(__name__)

_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""What may name files; the server's own ids are shorter."""


class JobSupervisor:
    """The table of held jobs, and what is done with each. Safe to use from any thread.

    `executor` carries out each. `was_answered` is set once a poll was: then the leases of what an
    earlier run has left are renewed. `boot_id` says which boot of the process this is, `allowance`
    how many jobs may be taken; set both before any comes. `on_rejected` is told when the server no
    longer accepts this worker at all; `on_idle` when the last job is gone.
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
        self._connection = connection
        self._journal = journal
        self._quota = quota
        self._runtimes = runtimes
        self._on_idle = on_idle
        self.boot_id = ""
        self.allowance = Allowance()
        self.shipper = LogShipper(connection)
        self._reporter = JobReporter(
            connection, on_rejected, wants_next=lambda: self.takes_more and self.can_begin
        )
        self.takes_more = True
        self.was_answered = threading.Event()
        self._held = HeldJobs()
        self._paused = KeptJobs(folder, journal, self._reporter)
        self._threads = JobThreads()
        self.executor = JobExecutor(
            folder,
            journal,
            verifier,
            runtimes,
            self._reporter,
            self.shipper,
            self._paused,
            self._threads,
        )
        self._lost = LostJobs(
            folder,
            runtimes,
            self._reporter,
            self.shipper,
            self.was_answered,
            self.executor.require_account,
            self.executor.runner_of_lost,
        )

    @property
    def can_begin(self) -> bool:
        """Whether a job that comes now could be noted in the journal, as far as anybody knows."""
        return self.executor.can_begin

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
                job.catch_up()
                self._release(job)

        run(carry_out)

    def _release(self, job: HeldJob) -> None:
        self.executor.forget(job)
        is_idle = self._held.remove(job)
        if not self.can_begin:
            # So that the server hears that this worker holds it no more, and wants none.
            self._connection.interrupt_poll()
        if is_idle:
            self._on_idle()

    def _carry_out(self, job: HeldJob, work: Work) -> None:
        """Take a job from its lease to its acknowledged end."""
        if ended := self.executor.execute(job, work):
            self._report(job, *ended)

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
