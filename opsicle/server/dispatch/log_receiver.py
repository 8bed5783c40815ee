"""Taking in what workers send of their jobs' logs."""

from __future__ import annotations

from contextlib import suppress

from opsicle.domain.errors import LogIncomplete
from opsicle.server.access.actor import WorkerActor
from opsicle.server.dispatch.held_jobs import get_answerable, get_own
from opsicle.server.dispatch.job_logs import JobLogs, LogFull
from opsicle.server.dispatch.log_tails import TAIL_BYTES, LogTails
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.jobs import JobRow
from opsicle.wire.worker_api import FinishRequest, LogRequest, PauseRequest


class LogReceiver:
    """Keeps output, and judges whether what is missing of a log can still come."""

    def __init__(self, database: Database, job_logs: JobLogs, tails: LogTails) -> None:
        self._database = database
        self._job_logs = job_logs
        self._tails = tails

    def append(self, job: JobRow, request: LogRequest) -> int:
        """Keep output, and return up to where all of it is durable."""
        return self._append(job, request, waits_for_disk=True)

    def keep_last(self, worker: WorkerActor, job_id: str, request: PauseRequest) -> None:
        """Keep the last of a log, durably.

        Raises LogIncomplete if something is missing before it that can still come.
        """
        self._keep_last(worker, job_id, request, waits_for_disk=True)

    def keep_end(self, worker: WorkerActor, job_id: str, request: FinishRequest) -> bool:
        """Keep the last of a log, for all to read.

        Return whether `put_tail` has to make it durable, in the transaction of the job's end.
        Raises as `keep_last`.
        """
        is_tail = bool(request.chunks) and _size(request) <= TAIL_BYTES
        self._keep_last(worker, job_id, request, waits_for_disk=not is_tail)
        return is_tail

    def put_tail(self, db: Connection, job: JobRow, request: FinishRequest) -> None:
        """Make the last of a log durable with the transaction of its job's end."""
        self._tails.put(db, job.id, job.org_id, request.chunks)

    def _keep_last(
        self,
        worker: WorkerActor,
        job_id: str,
        request: FinishRequest | PauseRequest,
        *,
        waits_for_disk: bool,
    ) -> None:
        kept_to = self._append_last(worker, job_id, request, waits_for_disk=waits_for_disk)
        if kept_to >= request.log_bytes or self._job_logs.is_full(kept_to):
            return

        job = self._database.read(lambda db: get_own(db, worker, job_id, request.fence))
        if self._is_after_loss(job, request):
            self._job_logs.note_loss(job_id, kept_to, request.log_bytes)
        else:
            raise LogIncomplete(f"the log is here up to byte {kept_to} of {request.log_bytes}")

    def _append_last(
        self,
        worker: WorkerActor,
        job_id: str,
        request: FinishRequest | PauseRequest,
        *,
        waits_for_disk: bool,
    ) -> int:
        """Keep what is taken of the last of a log, and return up to where it is kept then."""
        if request.chunks:
            job = self._database.read(lambda db: get_answerable(db, worker, job_id, request.fence))
            with suppress(LogFull):
                return self._append(job, request, waits_for_disk=waits_for_disk)
        return self._job_logs.durable_size(job_id)

    def _append(
        self,
        job: JobRow,
        request: LogRequest | FinishRequest | PauseRequest,
        *,
        waits_for_disk: bool,
    ) -> int:
        return self._job_logs.append(
            job.id,
            request.chunks,
            lambda: self._is_after_loss(job, request),
            org_id=job.org_id,
            waits_for_disk=waits_for_disk,
        )

    def _is_after_loss(
        self, job: JobRow, request: LogRequest | FinishRequest | PauseRequest
    ) -> bool:
        """Return whether what is missing of a log was lost here.

        By what its worker says, or by what has happened since.
        """
        return request.is_after_loss or self._job_logs.was_lost_since(job.leased_at)


def _size(request: FinishRequest) -> int:
    return sum(len(chunk[4]) for chunk in request.chunks)
