"""The table of the jobs that a worker holds. Safe to use from any thread."""

from __future__ import annotations

import threading

from opsicle.worker.job import HeldJob


class HeldJobs:
    """Jobs by their ids, from the answer that brought each until the server knows its end."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._jobs: dict[str, HeldJob] = {}

    def add(self, job: HeldJob) -> bool:
        """Hold a job. False if one with its id is held already."""
        with self._changed:
            return self._jobs.setdefault(job.id, job) is job

    def remove(self, job: HeldJob) -> bool:
        """Hold it no more; harmless to call again. Returns whether none is held now."""
        with self._changed:
            if self._jobs.get(job.id) is job:  # else one that came since has its id
                del self._jobs[job.id]
            self._changed.notify_all()
            return not self._jobs

    def find(self, job_id: str) -> HeldJob | None:
        """Return the job of that id, or None."""
        with self._changed:
            return self._jobs.get(job_id)

    def all(self) -> list[HeldJob]:
        """Return the jobs held now."""
        with self._changed:
            return list(self._jobs.values())

    def wait_until_empty(self, seconds: float) -> bool:
        """Wait until no job is held. False if some still are after `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs, seconds)
