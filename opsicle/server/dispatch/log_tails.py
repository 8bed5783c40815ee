"""The last small piece of a log: durable with the end of its job, in one transaction.

Two databases are two waits for the disk, and whoever follows a short job would wait for both. So
the piece goes into the database of logs without waiting, where all read it at once, and beside the
job's end into that of automations, which is waited for. Some moments later one wait serves all the
pieces of that time, and they are forgotten there. After a power cut the start gives the logs what
they have lost of them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress

from opsicle.domain.errors import InvalidInput, Unavailable
from opsicle.server.dispatch.job_logs import JobLogs
from opsicle.server.dispatch.log_segments import pack_tail, unpack_tail
from opsicle.server.store import log_tails
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.log_tails import LogTailRow
from opsicle.wire.worker_api import Chunk

log = logging.getLogger(__name__)

TAIL_BYTES = 4 * 1024
"""What is larger is written once, and waited for."""

_TAILS_AT_ONCE = 500


class LogTails:
    """Keeps the last pieces of logs until the database of logs has them durably."""

    def __init__(self, database: Database, job_logs: JobLogs) -> None:
        self._database = database
        self._job_logs = job_logs
        self._kept: set[str] = set()
        self._is_behind = False
        """Whether the database of logs may lack some of them."""

    def put(self, db: Connection, job_id: str, org_id: str, chunks: tuple[Chunk, ...]) -> None:
        """Keep the last piece of a log, in the transaction of the job's end.

        The database of logs has it before anybody sees that end, be it not durably.
        """
        log_tails.put(db, LogTailRow(job_id, org_id, pack_tail(chunks)))
        # Before the commit: to forget what was never kept does no harm.
        self._kept.add(job_id)

    def note_behind(self) -> None:
        """Note that the database of logs has not taken something that was kept here."""
        self._is_behind = True

    def flush(self) -> None:
        """Make durable, where it belongs, what was kept up to now, and forget it here."""
        while self._is_behind:  # it may be noted anew meanwhile
            self._catch_up()
        job_ids, self._kept = self._kept, set()
        if not job_ids:
            return

        def forget(db: Connection) -> None:
            # What was kept of a job meanwhile stays until the next time. So does all of it where
            # the logs have not taken something meanwhile, which may be the end of any of these.
            if self._is_behind:
                self._kept |= job_ids
            log_tails.delete(db, sorted(job_ids - self._kept))

        try:
            self._job_logs.sync()
            self._database.write(forget)
        except BaseException:
            self._kept |= job_ids
            raise

    def _catch_up(self) -> None:
        self._is_behind = False
        try:
            self._recover()
        except BaseException:
            self._is_behind = True
            raise

    def recover(self) -> None:
        """Give the logs what they have lost of the pieces that were kept.

        For a start, before anything is asked of the logs. On a disk that is full it is left for the
        next start: logs are no reason not to run.
        """
        try:
            self._recover()
        except Unavailable as error:
            log.warning("the ends of logs are not recovered", extra={"reason": error.message})

    def flush_last(self) -> None:
        """Flush at a clean stop; what that cannot do the next start does."""
        try:
            self.flush()
        except Unavailable as error:
            log.warning("the ends of logs are left for later", extra={"reason": error.message})

    def _recover(self) -> None:
        while rows := self._database.read(lambda db: log_tails.list_first(db, _TAILS_AT_ONCE)):
            for row in rows:
                with suppress(InvalidInput):  # it is longer than a log may be now
                    self._job_logs.append(
                        row.job_id, unpack_tail(row.chunks), lambda: True, org_id=row.org_id
                    )
            self._forget([row.job_id for row in rows])

    def _forget(self, job_ids: Sequence[str]) -> None:
        self._database.write(lambda db: log_tails.delete(db, job_ids))
