"""One job that this worker holds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

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
        self._unsaid: list[tuple[str, dict[str, object]]] = []
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
        """Keep a line for the worker's log until `say`, as its job does not wait for it."""
        self._unsaid.append((message, {"job_id": self.id, **facts}))

    def say(self) -> None:
        """Log the lines that were kept; harmless if there are none."""
        while self._unsaid:
            message, facts = self._unsaid.pop(0)
            log.info(message, extra=facts)

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
        self.say()
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
