"""The logs of jobs: appended without a gap, kept compressed, read from any offset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

import msgspec
from gevent.threadpool import ThreadPool

from opsicle.domain.artifacts import MIB
from opsicle.domain.errors import Gone, InvalidInput
from opsicle.kit.clock import Clock
from opsicle.server.dispatch.log_index import LineIndex, count_after, lines_of
from opsicle.server.dispatch.log_ranges import LogRanges
from opsicle.server.dispatch.log_removals import LogRemovals
from opsicle.server.dispatch.log_segments import (
    INLINE_BYTES,
    check_chunks,
    missing,
    not_before,
    pack,
    unpack,
    withheld,
)
from opsicle.server.dispatch.quotas import LOG_QUOTA_USED, LogQuotas
from opsicle.server.store import logs, whole_logs
from opsicle.server.store.database import Connection
from opsicle.server.store.log_database import LogDatabase
from opsicle.server.threads import run_in
from opsicle.wire.worker_api import Chunk

SEGMENTS_PER_READ = 1

DEFAULT_JOB_BYTES = 1024 * MIB
_SLACK_BYTES = MIB  # for what a worker says itself at the end of a log that has reached its limit
DEFAULT_ORG_BYTES = 20 * 1024 * MIB

T = TypeVar("T")
R = TypeVar("R")


class LogFull(InvalidInput):
    """The log is as long as a log may be; workers end theirs themselves a little before."""


class LogBounds(msgspec.Struct, frozen=True):
    """How much is kept: bytes of one job's log, and packed bytes on disk of all logs of one org."""

    job_bytes: int = DEFAULT_JOB_BYTES
    org_bytes: int = DEFAULT_ORG_BYTES


class NewSegment(msgspec.Struct, frozen=True):
    """A segment, and the chunks in it, for a log that ends at `end`."""

    org_id: str
    segment: logs.Segment
    chunks: list[Chunk]
    end: int
    is_withheld: bool = False

    def lines_after(self, last: logs.SegmentLines | None) -> logs.SegmentLines | None:
        """Return which lines begin in it.

        None where that is not known of the segments before it: `LineIndex` finds out when somebody
        asks.
        """
        if (last.end if last else 0) != self.end:
            return None
        return lines_of(self.segment, self.chunks, count_after(last))

    def job_log(self) -> whole_logs.JobLogRow:
        """Return what it adds to the log as a whole."""
        segment = self.segment
        times = [chunk[3] for chunk in self.chunks]
        return whole_logs.JobLogRow(
            segment.job_id,
            self.org_id,
            segment.start + segment.size,
            len(segment.chunks),
            min(times),
            max(times),
        )


class JobLogs:
    """The log database. Who may read which job's log is for the caller to decide."""

    def __init__(
        self,
        database: LogDatabase,
        clock: Clock,
        bounds: LogBounds | None = None,
        quotas: LogQuotas | None = None,
    ) -> None:
        self.quotas = quotas
        self._database = database
        self._clock = clock
        self.bounds = bounds or LogBounds()
        self._packers = ThreadPool(1)
        self._unsynced: set[str] = set()
        """Jobs whose logs may not be durable to their end; all, until `_has_synced`: the process
        before may have died with such."""
        self._has_synced = False
        self._syncs_under_way = 0
        self.index = LineIndex(database)
        self.ranges = LogRanges(database, self.index)
        self.removals = LogRemovals(database, clock)

    def append(
        self,
        job_id: str,
        chunks: Sequence[Chunk],
        is_after_loss: Callable[[], bool] = lambda: False,
        *,
        org_id: str = "",
        waits_for_disk: bool = True,
    ) -> int:
        """Keep output, and return up to which offset all of the log is durable.

        If it `waits_for_disk`; else that may need a `sync`, or the same bytes to be kept elsewhere.

        Bytes that are there already are passed over, so sending again is harmless; chunks that
        begin beyond the log's end are not taken, and the answer tells from where to send again. If
        that `is_after_loss` nobody can, so they are taken all the same. Once the quota of the org
        is used up, the log says so in the place of what comes. Raises LogFull, and InvalidInput for
        chunks that are too long, empty or out of order.
        """
        check_chunks(chunks)

        while True:
            end = self.size(job_id)
            fresh = not_before(chunks, end)
            if not fresh or (fresh[0][0] != end and not is_after_loss()):
                return self.durable_size(job_id) if waits_for_disk else end
            if self.is_full(end):
                raise LogFull(f"the log has reached its limit of {self.bounds.job_bytes} bytes")

            start = fresh[0][0]
            size = fresh[-1][0] + len(fresh[-1][4]) - start
            is_over = self.quotas is not None and self.quotas.is_used_up(org_id, self._usage_of)
            if self.quotas and is_over:
                fresh = withheld(fresh, LOG_QUOTA_USED)
                if self.truncation(job_id) is None:
                    self.quotas.record_truncation(job_id, start)
            packed = self._inline_if_small(size, pack, fresh)
            new = NewSegment(org_id, logs.Segment(job_id, start, size, packed), fresh, end, is_over)
            if self._write(new, waits_for_disk=waits_for_disk):
                return start + size

    def next_segment(
        self, org_id: str, job_id: str, chunks: Sequence[Chunk], size: int
    ) -> NewSegment | None:
        """Return what makes a log `size` bytes long, if `append_now` could append just that now.

        For a few chunks. It waits for nobody, so that a transaction of the state may ask. Raises
        InvalidInput as `append`.
        """
        check_chunks(chunks)
        end = self._database.read_now(partial(logs.size, job_id=job_id))
        has_quota = self.quotas is not None and self.quotas.of(org_id) is not None
        if end is None or has_quota or self.is_full(end):
            return None

        fresh = not_before(chunks, end)
        if not fresh or fresh[0][0] != end:
            return None
        new_end = fresh[-1][0] + len(fresh[-1][4])
        if new_end < size:
            return None
        return NewSegment(org_id, logs.Segment(job_id, end, new_end - end, pack(fresh)), fresh, end)

    def append_now(self, new: NewSegment) -> bool:
        """Append for all to read, without waiting for anybody; False where that cannot be.

        It is durable as with `append` that does not wait for the disk.
        """
        self._unsynced.add(new.segment.job_id)
        return self._database.write_now(partial(self._append, new=new))

    def _write(self, new: NewSegment, *, waits_for_disk: bool) -> bool:
        """Add a segment, unless another request was first."""
        if waits_for_disk:
            return self._database.write(partial(self._append, new=new))
        self._unsynced.add(new.segment.job_id)
        return self._database.write_unsynced(partial(self._append, new=new))

    def sync(self) -> None:
        """Wait until all that was appended up to now is durable."""
        written, self._unsynced = self._unsynced, set()
        self._syncs_under_way += 1
        try:
            self._database.sync()
        except BaseException:
            self._unsynced |= written
            raise
        finally:
            self._syncs_under_way -= 1
        self._has_synced = True

    def durable_size(self, job_id: str) -> int:
        """Return the length of a job's log in bytes, once all of it is durable."""
        size = self.size(job_id)
        if job_id in self._unsynced or self._syncs_under_way or not self._has_synced:
            self.sync()
        return size

    def is_full(self, size: int) -> bool:
        """Return whether nothing more is taken of a log that is so long.

        Workers end theirs themselves before.
        """
        return size >= self.bounds.job_bytes + _SLACK_BYTES

    def _append(self, db: Connection, new: NewSegment) -> bool:
        """Add a segment to a log that ends at `end`, unless another request was first."""
        segment = new.segment
        if logs.size(db, segment.job_id) != new.end:
            return False
        if segment.start > new.end:
            logs.insert_gap(db, segment.job_id, new.end, segment.start - new.end)
        if new.is_withheld and not logs.find_truncation(db, segment.job_id):
            logs.insert_gap(db, segment.job_id, segment.start, segment.size, LOG_QUOTA_USED)

        logs.append(db, new.org_id, segment, self._clock.now())
        lines = new.lines_after(logs.find_last_lines(db, segment.job_id))
        if lines is not None:
            logs.insert_lines(db, [lines])
        whole_logs.add(db, new.job_log())
        logs.add_usage(db, new.org_id, len(segment.chunks))
        return True

    def note_loss(self, job_id: str, start: int, end: int) -> None:
        """Note that a part of a job's log is not here and will not come."""
        self._database.write(lambda db: logs.insert_gap(db, job_id, start, end - start))

    def was_lost_since(self, at: datetime) -> bool:
        """Return whether logs of that time may be lost.

        So a job of then may go on behind what is missing.
        """
        return self._database.read(lambda db: logs.find_loss_after(db, at)) is not None

    def size_and_remark(self, job_id: str, leased_at: datetime) -> tuple[int, str]:
        """Return the length of a job's log in bytes, and what people should know of it.

        That it, or a part of it, was lost; "" if it was not.
        """

        def query(
            db: Connection,
        ) -> tuple[logs.LogLoss | None, bool, int, str, logs.Truncation | None]:
            return (
                logs.find_loss_after(db, leased_at),
                logs.has_gap(db, job_id),
                logs.size(db, job_id),
                _removal(whole_logs.find(db, job_id)),
                logs.find_truncation(db, job_id),
            )

        loss, has_gap, size, removal, cut = self._database.read(query)
        return size, removal or self._remark(loss, size, cut, has_gap=has_gap)

    def _remark(
        self, loss: logs.LogLoss | None, size: int, cut: logs.Truncation | None, *, has_gap: bool
    ) -> str:
        if cut:
            return f"its log is truncated at byte {cut.start:,}: {cut.reason}"
        if size >= self.bounds.job_bytes:
            limit = self.bounds.job_bytes // MIB
            return f"its log has reached the limit of {limit} MiB: what came behind was not kept"
        if loss:
            at = f"{loss.at:%Y-%m-%d at %H:%M} UTC"
            return f"its log was lost, or what of it was there on {at}: {loss.reason}"
        return "a part of its log was lost by the server" if has_gap else ""

    def require_kept(self, job_id: str) -> None:
        """Raise Gone if retention has removed a job's log."""
        removal = self._database.read(lambda db: _removal(whole_logs.find(db, job_id)))
        if removal:
            raise Gone(removal, hint="Artifacts and outputs of the automation are kept apart.")

    def _inline_if_small(self, size: int, function: Callable[[T], R], given: T) -> R:
        """Call a function on so many bytes.

        Here, or in a thread where that would hold the event loop.
        """
        return function(given) if size <= INLINE_BYTES else run_in(self._packers, function, given)

    def size(self, job_id: str) -> int:
        """Return the length of a job's log in bytes."""
        return self._database.read(lambda db: logs.size(db, job_id))

    def read(self, job_id: str, offset: int = 0) -> Iterator[list[Chunk]]:
        """Yield the chunks from `offset` to the end now, a list per read of the database."""
        while True:
            find = partial(logs.list_from, job_id=job_id, offset=offset, limit=SEGMENTS_PER_READ)
            segments = self._database.read(find)
            if not segments:
                return

            if segments[0].start > offset and not self._database.read(
                partial(logs.has_gap, job_id=job_id)
            ):
                yield from missing(offset, segments[0].start)
            chunks = self._inline_if_small(
                sum(segment.size for segment in segments), unpack, segments
            )
            fresh = not_before(chunks, offset)
            yield fresh
            offset = fresh[-1][0] + len(fresh[-1][4])

    def beginning(self, job_id: str, limit: int) -> bytes:
        """Return the first bytes of a log, here and now, as a transaction wants it.

        For short logs: it holds the event loop.
        """
        found = b""
        while len(found) < limit:
            offset = len(found)
            find = partial(logs.list_from, job_id=job_id, offset=offset, limit=SEGMENTS_PER_READ)
            segments = self._database.read(find)
            if not segments:
                break
            fresh = not_before(unpack(segments), offset)
            if not fresh or fresh[0][0] != offset:
                break  # the rest is lost
            found += b"".join(chunk[4] for chunk in fresh)
        return found[:limit]

    def close(self) -> None:
        """End the threads that pack."""
        self._packers.kill()

    def _usage_of(self, org_id: str) -> int:
        return self._database.read(lambda db: logs.find_usage(db, org_id))

    def truncation(self, job_id: str) -> logs.Truncation | None:
        """Return where a quota has ended a job's log, None if none has."""
        return self._database.read(lambda db: logs.find_truncation(db, job_id))

    def usage(self) -> dict[str, int]:
        """Return how many bytes the logs of each org take; "" stands for those of nobody."""
        return {row.org_id: row.stored for row in self._database.read(logs.list_usage)}


def _removal(row: whole_logs.JobLogRow | None) -> str:
    """Return what people should know of a log that retention has removed, "" if it has not."""
    if row is None or row.removed_at is None:
        return ""
    return f"its log was removed on {row.removed_at:%Y-%m-%d at %H:%M} UTC: {row.removed_by}"
