"""Workers that come for a few jobs: their identity ends when they leave, or fall silent."""

from __future__ import annotations

from datetime import timedelta

from opsicle.domain.errors import Conflict
from opsicle.kit.clock import Clock, to_text
from opsicle.server.access.actor import SystemActor, WorkerActor
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.store import audit, workers
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.workers import SilentRow
from opsicle.server.workers.service import Workers
from opsicle.wire.worker_api import LeaveReply, LeaveRequest

_AT_ONCE = 100
"""Ended in one transaction, while everybody's changes wait."""


class EphemeralWorkers:
    """Ends ephemeral workers: at their own word, and those that died without one.

    One of whom nothing is heard for `silent_seconds` has died. Its jobs have become `unknown` long
    before, as those of any worker; while one of its jobs waits for people, it is not ended.
    """

    def __init__(
        self,
        database: Database,
        fleet: Fleet,
        workers_: Workers,
        clock: Clock,
        silent_seconds: int,
    ) -> None:
        self.silent_seconds = silent_seconds
        self._database = database
        self._fleet = fleet
        self._workers = workers_
        self._clock = clock
        self._listening_since = clock.elapsed()

    def leave(self, worker: WorkerActor, request: LeaveRequest) -> LeaveReply:
        """End a worker that says that it has nothing more to do here.

        Raises Conflict for one that is not ephemeral, or has a job.
        """

        def work(db: Connection) -> None:
            if not workers.end_ephemeral(db, worker.worker_id):
                raise Conflict(
                    f"the worker {worker.name} cannot leave: it has a job, or is not ephemeral"
                )
            data = {"name": worker.name, "reason": request.reason}
            resource = f"workers/{worker.worker_id}"
            audit.append(db, self._clock.now(), worker.record, worker, "leave", resource, data)

        self._database.write(work)
        self._workers.forget(worker.worker_id)
        return LeaveReply(worker.name)

    def end_silent(self, late_seconds: float) -> int:
        """End workers that were silent for too long, and return how many.

        Silent is only who was, all the while, heard by nobody: not while the server itself was away
        or stood still, and not by the word of a clock that was set.
        """
        now = self._clock.elapsed()
        if late_seconds:
            self._listening_since = now
        if now - self._listening_since < self.silent_seconds:
            return 0

        before = self._clock.now() - timedelta(seconds=self.silent_seconds)
        found = self._database.read(lambda db: workers.list_silent(db, before, _AT_ONCE))
        dead = [row for row in found if not self._was_heard(row.id)]
        if not dead:
            return 0

        def work(db: Connection) -> list[SilentRow]:
            return [row for row in dead if self._end(db, row)]

        ended = self._database.write(work)
        for row in ended:
            self._workers.forget(row.id)
        return len(ended)

    def _was_heard(self, worker_id: str) -> bool:
        presence = self._fleet.find(worker_id)
        if presence is None:
            return False
        silent = self._clock.monotonic() - presence.seen_at
        return self._fleet.is_connected(worker_id) or silent < self.silent_seconds

    def _end(self, db: Connection, row: SilentRow) -> bool:
        if self._was_heard(row.id) or not workers.end_ephemeral(db, row.id):
            return False
        data = {
            "name": row.name,
            "silent_seconds": self.silent_seconds,
            "last_seen_at": to_text(row.last_seen_at) if row.last_seen_at else None,
        }
        record = None if row.is_shared else row.org_id
        now, resource = self._clock.now(), f"workers/{row.id}"
        audit.append(db, now, record, SystemActor(), "end_silent", resource, data)
        return True
