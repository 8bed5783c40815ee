"""The jobs that this worker keeps for people: their workspaces, and where each goes on.

They hold no slot and no lease, and outlive the process: the journal has all that is needed. Only
what commands have named to be masked is in memory alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial

import msgspec

from opsicle.domain.automations import JobState
from opsicle.domain.errors import (
    LeaseLost,
    NotAllowed,
    NotAuthenticated,
    OpsicleError,
)
from opsicle.domain.manifests import WorkOrder
from opsicle.domain.pauses import Resume, ResumeVerdict
from opsicle.domain.variables import environment_of
from opsicle.wire.endpoints import jobs as endpoints
from opsicle.wire.jobs import Outcome
from opsicle.wire.worker_api import RunningJob, StartRequest
from opsicle.worker.cleanup import remove_job
from opsicle.worker.connection import AWAY
from opsicle.worker.identity import WorkerDataFolder
from opsicle.worker.job import HeldJob
from opsicle.worker.job_reporter import JobReporter
from opsicle.worker.journal import Journal
from opsicle.worker.journal_lines import JobEntry
from opsicle.worker.masking import Masking
from opsicle.worker.pausing import Answered, PausedRun
from opsicle.worker.runner import Runner
from opsicle.worker.verification import Refused

log = logging.getLogger(__name__)


class KeptPause(msgspec.Struct, frozen=True):
    """A job that waits. `masking` is what is masked of what it prints.

    `has_masked`: its commands have named values of which only an earlier run of the worker knew.
    """

    job_id: str
    run: PausedRun
    has_masked: bool = False
    masking: Masking | None = None


class KeptJobs:
    """The table of paused jobs. Safe to use from any thread."""

    def __init__(self, folder: WorkerDataFolder, journal: Journal, reporter: JobReporter) -> None:
        self._folder = folder
        self._journal = journal
        self._reporter = reporter
        self._lock = threading.Lock()
        self._kept: dict[str, KeptPause] = {}

    def listed(self) -> tuple[RunningJob, ...]:
        """Return the jobs that wait, for a poll."""
        with self._lock:
            return tuple(RunningJob(each.job_id, each.run.fence) for each in self._kept.values())

    def find(self, job_id: str) -> KeptPause | None:
        """Return a job that waits, or None."""
        with self._lock:
            return self._kept.get(job_id)

    def keep(self, kept: KeptPause) -> None:
        """Keep a job until it goes on, or the server wants no more of it."""
        with self._lock:
            self._kept[kept.job_id] = kept

    def ask(self, job: HeldJob, run: PausedRun) -> Answered | None:
        """Note where a run is, and have the server ask people. None: they answer later.

        Waits for as long as the server is away. Raises OSError where it cannot be noted.
        """
        self._journal.paused(job.id, run)
        job.log.detach()
        try:
            state = self._reporter.pause(job, run)
        except (NotAuthenticated, NotAllowed) as error:
            self._reporter.rejected(error)
            return _stopped(error.message)
        except OpsicleError as error:
            return _stopped(error.message)
        if state is JobState.PAUSED:
            self.keep(KeptPause(job.id, run))
            job.spool.discard()
            return None
        return _stopped("it is being cancelled")

    def remember_masking(self, job_id: str, masking: Masking | None) -> None:
        """Keep, in memory, what is masked in the output of a job that has just paused."""
        with self._lock:
            if kept := self._kept.get(job_id):
                self._kept[job_id] = KeptPause(job_id, kept.run, masking=masking)

    def find_resumed(self, job_id: str, order: WorkOrder) -> KeptPause | None:
        """Return the paused job that an order lets go on; None for one that lets a job begin.

        Raises Refused for an order about another pause than this worker keeps, and for one to begin
        what has begun here.
        """
        kept, resume = self.find(job_id), order.resume
        if resume is None and kept is not None:
            raise Refused("it waits for people on this worker, and cannot begin anew")
        if resume is None:
            return None
        if kept is None:
            raise Refused("this worker keeps no such job: its data folder is another one")
        if (kept.run.fence, kept.run.phase) != (resume.paused_fence, resume.phase):
            raise Refused("its order is about another pause than the one at which it waits")
        return kept

    def resumption(
        self, runner: Runner, kept: KeptPause, order: WorkOrder
    ) -> Callable[[], Outcome | None]:
        """Return what lets a run go on as its order says."""
        assert order.resume is not None
        return partial(runner.resume, kept.run, _answered(kept, order.resume), kept.masking)

    def start(self, job: HeldJob, kept: KeptPause, besides: Callable[[], None]) -> bool:
        """Ask whether a paused job may go on. One that may not now waits again.

        `besides` is called while the server thinks.
        """
        request = StartRequest(job.fence)
        try:
            self._reporter.retry(job, endpoints.START, request, besides=besides)
        except AWAY:
            return False  # the worker ends; its next run asks what came of it
        except (NotAuthenticated, NotAllowed) as error:
            self._reporter.rejected(error)
            return False
        except OpsicleError as error:
            facts = {"job_id": job.id, "reason": error.message}
            log.warning("a paused job may not go on now", extra=facts)
            self._keep_waiting(job, kept)
            return False

        with self._lock:
            self._kept.pop(job.id, None)
        job.spool.skip_to(kept.run.log_bytes)
        return True

    def _keep_waiting(self, job: HeldJob, kept: KeptPause) -> None:
        """Wait again, unless the server takes the job for one that went on."""
        run = kept.run
        try:
            is_over = self._reporter.report_not_begun(
                job, "it did not go on", run.phases, run.log_bytes
            )
        except OpsicleError as error:
            facts = {"job_id": job.id, "reason": error.message}
            log.warning("the server does not hear that a job did not go on", extra=facts)
            return  # the journal has it as going on: the next run asks what came of it
        if is_over:
            self.forget(job.id)
        else:
            job.note(lambda: self._journal.paused(job.id, run))

    def forget(self, job_id: str) -> None:
        """Remove all that is left of a job that the server wants no more; harmless if unknown."""
        with self._lock:
            if self._kept.pop(job_id, None) is None:
                return
        log.info("a paused job is over", extra={"job_id": job_id})
        self._remove(job_id)

    def restore(self, job: HeldJob, entry: JobEntry) -> bool:
        """Keep a job that an earlier run has left, once the server has said that it waits.

        The word by which that life wanted to pause it may never have arrived, so it is said again.
        Returns whether it waits; False if the server knows of a later step. A job that the server
        wants no more is forgotten, unless it may have gone on (`is_resuming`).
        """
        assert entry.paused is not None
        kept, is_resuming = KeptPause(job.id, entry.paused, entry.has_masked), entry.is_resuming
        try:
            state = self._reporter.pause(job, kept.run)
        except AWAY:
            return True
        except (NotAuthenticated, NotAllowed) as error:
            self._reporter.rejected(error)
            return True
        except LeaseLost:
            state = JobState.RETURNED
        except OpsicleError as error:
            log.warning(
                "the server does not take a pause",
                extra={"job_id": job.id, "reason": error.message},
            )
            return True

        if state is JobState.PAUSED:
            if is_resuming:
                self._journal.paused(job.id, kept.run)
            self.keep(kept)
            job.spool.discard()
            return True
        if not is_resuming:
            self.keep(kept)
            self.forget(job.id)
        return False

    def _remove(self, job_id: str) -> None:
        try:
            self._journal.closed(job_id)
        except OSError as error:
            log.warning(
                "the journal cannot be written", extra={"job_id": job_id, "reason": str(error)}
            )
        remove_job(self._folder, job_id)


def _answered(kept: KeptPause, resume: Resume) -> Answered:
    if kept.has_masked and resume.verdict is not ResumeVerdict.STOP:
        return _stopped(
            "its commands had named values to mask, which went with the worker's last life, "
            "so it cannot go on"
        )
    values = environment_of(resume.values)
    return Answered(
        verdict=resume.verdict, reason=resume.reason, environment=values, outputs=resume.outputs
    )


def _stopped(reason: str) -> Answered:
    return Answered(verdict=ResumeVerdict.STOP, reason=reason)
