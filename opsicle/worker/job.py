"""One job that this worker holds."""

from __future__ import annotations

import logging

from opsicle.domain.errors import LeaseLost, OpsicleError
from opsicle.worker.journal import Journal
from opsicle.worker.log_shipper import JobLog, LogShipper
from opsicle.worker.spool import Spool
from opsicle.worker.waiting import Cancellation

log = logging.getLogger(__name__)


class HeldJob:
    """One job that this worker holds. `is_dropped`: the server wants to hear no more of it."""

    def __init__(self, job_id: str, fence: int, spool: Spool, shipper: LogShipper, journal: Journal) -> None:
        self.id = job_id
        self.fence = fence
        self.cancellation = Cancellation()
        self.is_dropped = False
        self.spool = spool
        self.log = JobLog(fence, spool, shipper, journal, self.refused)

    def drop(self, reason: str) -> None:
        """Stop it, and forget what it says: it is somebody else's now, or over."""
        if not self.is_dropped:
            log.warning("job dropped", extra={"job_id": self.id, "reason": reason})
        self.is_dropped = True
        self.cancellation.cancel()
        self.spool.discard()

    def refused(self, error: OpsicleError) -> None:
        """The server takes no more of its output."""
        if isinstance(error, LeaseLost):
            self.drop(error.message)
            return
        log.error("the server refuses a job's output", extra={"job_id": self.id, "reason": error.message})
        self.spool.discard()
