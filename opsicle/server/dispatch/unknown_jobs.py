"""Jobs that a worker holds and that the server does not know.

Most likely they are of a later state than the one that it runs on; or else made up. They go into
the record, each once while the server runs. While the queue is held after a restore they are left
alone, as the state that knows them may be put back; their workers are told to come again with what
they have to say.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from opsicle.domain.errors import LeaseLost, Unavailable
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import SystemActor, WorkerActor
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.fleet.presence import Presence
from opsicle.server.store import audit
from opsicle.server.store.database import Connection, Database

log = logging.getLogger(__name__)

MAX_UNKNOWN_JOBS = 100
"""Of one worker, that are put into the record: one that lies must not fill it."""


class UnknownJob(LeaseLost):
    """The database has no such job, or has it as another worker's; the words do not tell which."""


class UnknownJobs:
    """Records them. `Fleet.unknown_jobs` has those that stand in the record."""

    def __init__(self, database: Database, fleet: Fleet, clock: Clock) -> None:
        self._database = database
        self._fleet = fleet
        self._clock = clock

    def note(self, worker: WorkerActor | Presence, job_ids: Sequence[str]) -> None:
        """Put those jobs into the record that are not in it yet.

        If that fails the next call tries again.
        """
        noted = self._fleet.unknown_jobs.setdefault(worker.worker_id, []) if job_ids else []
        fresh = [job_id for job_id in job_ids if job_id not in noted][
            : max(0, MAX_UNKNOWN_JOBS - len(noted))
        ]
        if not fresh:
            return

        noted += fresh  # before the write, so that a call meanwhile does not write the same
        try:
            self._database.write(lambda db: self._record(db, worker, fresh))
        except BaseException:
            for job_id in fresh:
                noted.remove(job_id)
            raise

        for job_id in fresh:
            log.error(
                "a worker holds a job that is not known here",
                extra={"worker": worker.name, "job_id": job_id},
            )

    @contextmanager
    def recording(self, worker: WorkerActor, job_id: str) -> Iterator[None]:
        """Record the job if it turns out inside that the server does not know it.

        Raises Unavailable then while the queue is held: a worker that were told that its lease is
        lost would stop the job, and forget what it has to say, although nobody has decided that
        yet.
        """
        try:
            yield
        except UnknownJob as error:
            self.note(worker, [job_id])
            if not self._fleet.held:
                raise
            raise Unavailable(
                f"job {job_id} is not known here, and the queue is {self._fleet.held}",
                hint="Come again: the state that knows it may be put back. "
                "When the queue is released it is dropped.",
            ) from error

    def _record(
        self, db: Connection, worker: WorkerActor | Presence, job_ids: Sequence[str]
    ) -> None:
        for job_id in job_ids:
            resource, org_id = f"workers/{worker.worker_id}", worker.org_id or None
            audit.append(
                db,
                self._clock.now(),
                org_id,
                SystemActor(),
                "report_unknown_job",
                resource,
                {"job": job_id},
            )
