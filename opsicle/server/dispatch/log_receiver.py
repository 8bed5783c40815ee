"""Taking in what workers send of their jobs' logs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from opsicle.domain.automations import JobState
from opsicle.domain.errors import LogIncomplete
from opsicle.server.access.actor import WorkerActor
from opsicle.server.dispatch.held_jobs import get_answerable, get_own
from opsicle.server.dispatch.job_logs import JobLogs, LogFull, NewSegment
from opsicle.server.dispatch.log_tails import TAIL_BYTES, LogTails
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.jobs import JobRow
from opsicle.wire.worker_api import FinishRequest, LogRequest, PauseRequest

log = logging.getLogger(__name__)

T = TypeVar("T")


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

    def end(self, worker: WorkerActor, job_id: str, request: FinishRequest) -> LogEnd:
        """Return the last of a log, to be kept with its job's end."""
        return LogEnd(self, worker, job_id, request)

    def keep_end(
        self, worker: WorkerActor, job_id: str, request: FinishRequest, *, is_tail: bool
    ) -> None:
        """Keep the last of a log, for all to read, and durably unless it `is_tail`.

        Raises as `keep_last`.
        """
        self._keep_last(worker, job_id, request, waits_for_disk=not is_tail)

    def put_tail(self, db: Connection, job: JobRow, request: FinishRequest) -> None:
        """Make the last of a log durable with the transaction of its job's end."""
        self._tails.put(db, job.id, job.org_id, request.chunks)

    def next_segment(self, job: JobRow, request: FinishRequest) -> NewSegment | None:
        """Return the last of a log, if it could be appended at once and lacks nothing."""
        if job.state != JobState.RUNNING or job.is_plan:  # what a plan has shown is read in between
            return None
        return self._job_logs.next_segment(job.org_id, job.id, request.chunks, request.log_bytes)

    def append_beside(self, new: NewSegment) -> bool:
        """Append that while the disk is waited for on account of its job's end.

        Where that fails it is noted at once, before anybody forgets what was kept of it.
        """
        is_there = self._job_logs.append_now(new)
        if not is_there:
            self._tails.note_behind()
        return is_there

    def append_late(self, new: NewSegment, request: FinishRequest) -> None:
        """Append what could not be, now that its job has ended; it cannot be lost any more."""
        try:
            self._job_logs.append(
                new.segment.job_id, request.chunks, lambda: True, org_id=new.org_id
            )
        except Exception:  # whatever it is, the job has ended
            log.exception("the end of a log comes later", extra={"job_id": new.segment.job_id})

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


class _MustComeBefore(Exception):
    """The last of a log cannot be written besides: it is kept before its job's end."""


class LogEnd:
    """The last of a job's log, kept with the job's end.

    A small one is durable in the transaction of that end, and is written to the database of logs
    while the disk is waited for: before anybody can see the end. Whatever stands in the way of
    that, it is kept before.
    """

    def __init__(
        self, receiver: LogReceiver, worker: WorkerActor, job_id: str, request: FinishRequest
    ) -> None:
        self._receiver = receiver
        self._worker = worker
        self._job_id = job_id
        self._request = request
        self._is_tail = bool(request.log_bytes and request.chunks) and _size(request) <= TAIL_BYTES
        self._goes_besides = self._is_tail
        self._new: NewSegment | None = None
        self._is_missing = True

    def write(self, database: Database, work: Callable[[Connection], T]) -> T:
        """Run the transaction of the job's end, which calls `put`. Raises as `keep_last`."""
        if self._goes_besides:
            try:
                result = database.write(work, besides=self._append)
            except _MustComeBefore:
                self._goes_besides = False
            else:
                if self._new and self._is_missing:
                    self._receiver.append_late(self._new, self._request)
                return result

        if self._request.log_bytes:
            self._receiver.keep_end(
                self._worker, self._job_id, self._request, is_tail=self._is_tail
            )
        return database.write(work)

    def put(self, db: Connection, job: JobRow) -> None:
        """Make it durable with the transaction of the job's end.

        Before that changes anything: it may begin again.
        """
        if self._goes_besides:
            self._new = self._receiver.next_segment(job, self._request)
            if self._new is None:
                raise _MustComeBefore
        if self._is_tail:
            self._receiver.put_tail(db, job, self._request)

    def _append(self) -> None:
        self._is_missing = not (self._new and self._receiver.append_beside(self._new))


def _size(request: FinishRequest) -> int:
    return sum(len(chunk[4]) for chunk in request.chunks)
