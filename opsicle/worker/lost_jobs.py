"""Bringing jobs to an end in whose midst an earlier run of the worker ended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from opsicle.domain.errors import OpsicleError
from opsicle.wire.endpoints import jobs as endpoints
from opsicle.wire.jobs import Outcome
from opsicle.wire.worker_api import LogRequest, StartRequest
from opsicle.worker.after_crash import TOO_LATE, LostJob
from opsicle.worker.connection import AWAY
from opsicle.worker.identity import WorkerDataFolder
from opsicle.worker.job import HeldJob
from opsicle.worker.job_reporter import JobReporter
from opsicle.worker.journal_lines import CleanUpPlan, JobEntry
from opsicle.worker.log_shipper import LogShipper
from opsicle.worker.runner import Runner
from opsicle.worker.runtimes.table import Runtimes
from opsicle.worker.verification import Refused
from opsicle.worker.workspace import remove_folder

log = logging.getLogger(__name__)


class ReportableEnd(NamedTuple):
    """What the server is to be told of a job, and how long its log is."""

    outcome: Outcome
    log_bytes: int


class LostJobs:
    """Ends what still runs of lost jobs, runs their clean-up phases, and says how they ended.

    `was_answered` is set once a poll was. `require_account` raises Refused where an org's jobs
    cannot run as whom they should; `runner_for` gives what runs a job's clean-up phases.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what such a job touches
        self,
        folder: WorkerDataFolder,
        runtimes: Runtimes,
        reporter: JobReporter,
        shipper: LogShipper,
        was_answered: threading.Event,
        require_account: Callable[[str], object],
        runner_for: Callable[[HeldJob, CleanUpPlan], Runner],
    ) -> None:
        self._workspaces = folder.workspaces
        self._runtimes = runtimes
        self._reporter = reporter
        self._shipper = shipper
        self._was_answered = was_answered
        self._require_account = require_account
        self._runner_for = runner_for

    def conclude(self, job: HeldJob, entry: JobEntry) -> ReportableEnd | None:
        """Return what can be said of how a job ended, None if it is to be left for the next run."""
        survivors = self._runtimes.sweep(job.id, entry.children[-1] if entry.children else None)
        if survivors:
            facts = {"job_id": job.id, "count": survivors}
            log.error("processes of a lost job cannot be ended", extra=facts)

        outcome, log_bytes = entry.outcome, entry.log_bytes
        if outcome is None:
            outcome = self._clean_up(job, LostJob(entry, self._workspaces))
            if outcome is None:
                return None
            log_bytes = job.spool.end
            job.note_end(outcome)

        if problem := remove_folder(self._workspaces / job.id):
            log.warning("the job's workspace is left", extra={"job_id": job.id, "reason": problem})
        log.warning(
            "job of an earlier run is reported", extra={"job_id": job.id, "state": outcome.state}
        )
        return ReportableEnd(outcome, log_bytes)

    def _clean_up(self, job: HeldJob, lost: LostJob) -> Outcome | None:
        """Run the clean-up phases that a lost job still has, if that can and may be.

        Returns None if it is to be left for the next run. The server is asked first, and only when
        a poll has renewed the lease: so nobody else runs the job by then.
        """
        phases = lost.to_clean_up
        if lost.plan is None or not phases:
            return lost.outcome()
        if why_not := lost.refusal_reason():
            return lost.outcome(why_not)

        self._was_answered.wait()
        try:
            self._require_account(lost.plan.org_id)
            ask = partial(self._reporter.retry, job)
            ask(endpoints.START, StartRequest(job.fence))
            durable_to = ask(endpoints.LOG, LogRequest(fence=job.fence)).durable_to
        except Refused as refused:
            return lost.outcome(str(refused))
        except AWAY:
            return None
        except OpsicleError:
            return lost.outcome(TOO_LATE)

        job.spool.skip_to(durable_to)
        runner = self._runner_for(job, lost.plan)
        log.warning(
            "clean-up phases of a lost job are run", extra={"job_id": job.id, "phases": len(phases)}
        )
        job.idle_since = None
        runner.run_clean_up(lost.reports, phases, job.spool.end)

        self._shipper.detach(job.log)
        if job.is_dropped:
            job.close()
            return None
        return lost.outcome(ran=phases)
