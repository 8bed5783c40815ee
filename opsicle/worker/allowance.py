"""How long an ephemeral worker stays: for so many jobs, or until it has been idle for so long."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from opsicle.wire.worker_api import LeaveReason, RunningJob

_LOOK_AGAIN_SECONDS = 1.0


class _Jobs(Protocol):
    def held(self) -> tuple[RunningJob, ...]: ...

    def paused(self) -> tuple[RunningJob, ...]: ...


class Allowance:
    """The jobs that a worker may still take; None: as many as come. Safe to use from any thread."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._taken: set[str] = set()
        self._lock = threading.Lock()

    def admits(self, job_id: str) -> bool:
        """Return whether this job may be taken, and count it.

        One that was taken before, and has waited for people, may go on.
        """
        with self._lock:
            if self.is_used_up and job_id not in self._taken:
                return False
            self._taken.add(job_id)
            return True

    @property
    def is_used_up(self) -> bool:
        """Whether no other job may be taken."""
        return self._most is not None and len(self._taken) >= self._most


class Stay:
    """Says when an ephemeral worker is to leave; one that waits for people is not idle."""

    def __init__(self, allowance: Allowance, jobs: _Jobs, idle_seconds: float) -> None:
        self._allowance = allowance
        self._jobs = jobs
        self._idle_seconds = idle_seconds
        self._idle_since = time.monotonic()

    def reason_to_leave(self) -> LeaveReason | None:
        """Return why it is to leave now, if it is. Ask about every `seconds_to_wait`."""
        if self._jobs.held() or self._jobs.paused():
            self._idle_since = time.monotonic()
            return None
        if self._allowance.is_used_up:
            return "done"
        return "idle" if time.monotonic() - self._idle_since >= self._idle_seconds else None

    @property
    def seconds_to_wait(self) -> float:
        """How long to wait until it is asked again, if no job ends before."""
        return _LOOK_AGAIN_SECONDS
