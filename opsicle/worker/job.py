"""One job that this worker holds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial

from opsicle.domain.errors import LeaseLost, OpsicleError
from opsicle.wire.jobs import Outcome
from opsicle.worker.artifact_spool import ArtifactSpool
from opsicle.worker.artifact_uploads import ArtifactUploads
from opsicle.worker.journal import Journal
from opsicle.worker.log_shipper import JobLog, LogShipper
from opsicle.worker.spool import Spool
from opsicle.worker.waiting import Cancellation

log = logging.getLogger(__name__)


class HeldJob:
    """One job that this worker holds. `is_dropped`: the server wants to hear no more of it.

    `idle_since` is since when nothing of it runs (monotonic seconds), None while something may.
    """

    def __init__(
        self,
        job_id: str,
        fence: int,
        spool: Spool,
        artifacts: ArtifactSpool,
        shipper: LogShipper,
        journal: Journal,
    ) -> None:
        self.id = job_id
        self.fence = fence
        self.cancellation = Cancellation()
        self.is_dropped = False
        self.idle_since: float | None = time.monotonic()
        self.spool = spool
        self.artifacts = artifacts
        self.uploads = ArtifactUploads(job_id, fence, artifacts)
        self._journal = journal
        self._put_off: list[Callable[[], None]] = []
        self.log = JobLog(fence, spool, shipper, journal, self.refused)

    def drop(self, reason: str) -> None:
        """Stop it, and forget what it says: it is somebody else's now, or over."""
        if not self.is_dropped:
            log.warning("job dropped", extra={"job_id": self.id, "reason": reason})
        self.is_dropped = True
        self.cancellation.cancel()
        self.spool.discard()
        self.artifacts.discard()

    def refused(self, error: OpsicleError) -> None:
        """Stop sending output, as the server takes no more."""
        if isinstance(error, LeaseLost):
            self.drop(error.message)
            return
        log.error(
            "the server refuses a job's output", extra={"job_id": self.id, "reason": error.message}
        )
        self.spool.discard()

    def say_later(self, message: str, facts: Mapping[str, object]) -> None:
        """Put off a line for the worker's log."""
        self.put_off(partial(log.info, message, extra={"job_id": self.id, **facts}))

    def put_off(self, task: Callable[[], None]) -> None:
        """Keep what the job does not wait for until `catch_up`. It raises nothing."""
        self._put_off.append(task)

    def catch_up(self) -> None:
        """Do what was put off; harmless if there is nothing."""
        while self._put_off:
            self._put_off.pop(0)()

    def note(self, write: Callable[[], None]) -> None:
        """Write to the journal what helps a next run.

        The job goes on without, as its processes carry marks, too.
        """
        try:
            write()
        except OSError as error:
            log.warning(
                "the journal cannot be written", extra={"job_id": self.id, "reason": str(error)}
            )

    def note_end(self, outcome: Outcome) -> None:
        """Note how it ended.

        If that cannot be noted the server is told all the same; only a crash before that would lose
        the outcome.
        """
        self.idle_since = time.monotonic()
        self.note(lambda: self._journal.finished(self.id, outcome, self.spool.end))

    def keep_end(self) -> None:
        """Note that the server could not be told at once.

        Let the outcome, the rest of the log and the artifacts outlive this machine.
        """
        self.catch_up()
        try:
            self.spool.sync()
            self.artifacts.sync()
            self._journal.sync()
        except OSError as error:
            log.warning(
                "how a job ended is not durable", extra={"job_id": self.id, "reason": str(error)}
            )

    def close(self) -> None:
        """Forget a job of which nothing is left to do.

        The journal first: a crash in between leaves files, never a second report.
        """
        self.note(lambda: self._journal.closed(self.id))
        self.spool.discard()
        self.artifacts.discard()
