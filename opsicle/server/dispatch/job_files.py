"""Handing the files that automations are given to the workers that are to run them."""

from __future__ import annotations

from opsicle.domain.automations import JobState
from opsicle.domain.errors import LeaseLost, NotFound
from opsicle.server.access.actor import WorkerActor
from opsicle.server.contents.content_store import ContentStore
from opsicle.server.dispatch.held_jobs import get_own
from opsicle.server.dispatch.lease_service import may_serve
from opsicle.server.dispatch.unknown_jobs import UnknownJobs
from opsicle.server.store import files
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.files import AutomationFileRow
from opsicle.server.store.suspensions import is_suspended
from opsicle.wire.worker_api import MAX_ARTIFACT_BYTES, FileReply, FileRequest


class JobFiles:
    """The files of jobs that are leased and have not begun."""

    def __init__(self, database: Database, store: ContentStore, unknown: UnknownJobs) -> None:
        self._database = database
        self._store = store
        self._unknown = unknown

    def read(self, worker: WorkerActor, job_id: str, request: FileRequest) -> FileReply:
        """Return a part of a file that the job's automation is given.

        The worker compares the whole with what it was ordered. Raises LeaseLost as `Jobs.start`
        does, NotFound for any other file and for one that the server has lost.
        """

        def query(db: Connection) -> AutomationFileRow | None:
            job = get_own(db, worker, job_id, request.fence)
            is_out = not may_serve(db, worker, job.org_id) or is_suspended(db, job.org_id)
            if job.state != JobState.LEASED or is_out:
                raise LeaseLost.of(job_id)
            given = files.list_of_automation(db, job.automation_id)
            return next((row for row in given if row.sha256 == request.sha256), None)

        with self._unknown.recording(worker, job_id):
            row = self._database.read(query)
        if row is None:
            raise NotFound("the job is given no such file")

        stop = min(row.size, request.offset + MAX_ARTIFACT_BYTES)
        return FileReply(b"".join(self._store.read(row.org_id, row.sha256, request.offset, stop)))
