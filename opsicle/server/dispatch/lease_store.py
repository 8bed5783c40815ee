"""Until when each job on lease belongs to its worker.

Kept in memory: a poll renews leases without a write, and a server that has just started gives every
lease one full term before it judges any, so what was forgotten costs no job (see
docs/decisions/0002-leases-in-memory.md).
"""

from __future__ import annotations

import msgspec

from opsicle.kit.clock import Clock
from opsicle.wire.worker_api import LEASE_SECONDS

DELIVERY_SECONDS = 2.0
"""How long an answer may be under way before its work counts as never received."""


class Lease(msgspec.Struct):
    """A worker's right to a job. Times are in seconds of the monotonic clock.

    `pushed_at` is set for work that goes out otherwise than with the poll that found it: a poll
    that was sent before that arrived cannot list it yet.
    """

    job_id: str
    automation_id: str
    org_id: str
    worker_id: str
    fence: int
    until: float = 0.0
    pushed_at: float | None = None


class LeaseStore:
    """The leases of all jobs that the database shows as leased or running."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_job: dict[str, Lease] = {}

    def grant(self, lease: Lease, *, is_pushed: bool = False) -> None:
        """Begin a lease, with one full term to go."""
        lease.until = self._clock.monotonic() + LEASE_SECONDS
        lease.pushed_at = self._clock.monotonic() if is_pushed else None
        self._by_job[lease.job_id] = lease

    def renew(self, worker_id: str, job_id: str, fence: int) -> None:
        """Give a lease another full term; nothing happens if it is not this worker's."""
        lease = self._by_job.get(job_id)
        if lease and lease.worker_id == worker_id and lease.fence == fence:
            lease.until = self._clock.monotonic() + LEASE_SECONDS

    def renew_all(self) -> int:
        """Give every lease another full term, because for a while nobody could be heard.

        How many there are.
        """
        for lease in self._by_job.values():
            lease.until = self._clock.monotonic() + LEASE_SECONDS
        return len(self._by_job)

    def may_be_in_transit(self, job_id: str) -> bool:
        """Return whether the answer with which the worker was given this job may be under way."""
        lease = self._by_job.get(job_id)
        if lease is None or lease.pushed_at is None:
            return False
        return self._clock.monotonic() - lease.pushed_at < DELIVERY_SECONDS

    def find(self, job_id: str) -> Lease | None:
        """Return the lease of a job, or None."""
        return self._by_job.get(job_id)

    def end(self, job_id: str) -> None:
        """Forget a lease; harmless if it is gone."""
        self._by_job.pop(job_id, None)

    def end_of_fence(self, job_id: str, fence: int) -> None:
        """Forget the lease of a job with this fence; one with another fence stays."""
        lease = self._by_job.get(job_id)
        if lease and lease.fence == fence:
            self.end(job_id)

    def expired(self) -> list[Lease]:
        """Return the leases whose time is over."""
        now = self._clock.monotonic()
        return [lease for lease in self._by_job.values() if lease.until < now]
