"""Output of jobs on disk, from the moment it was read from the job until the server has it durably.

A job's log is one sequence of bytes, counted from 0. Its spool is a row of segment files, each a
row of records: a header, then the bytes. A segment whose bytes are all acknowledged is
removed, save the last one: it tells the next run of the worker how long the log is. A record that
was torn by a crash ends the spool.

What was written outlives the worker's own process at once (the kernel has it), and the machine's
end after `sync`.

While the disk takes nothing, up to `MEMORY_BYTES` of a job's output wait in memory instead, and go
to the disk as soon as it takes them, so that a job that has filled the disk can still say so, and
end.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from pathlib import Path
from typing import NamedTuple, Self

from opsicle.kit import files
from opsicle.wire.worker_api import MAX_LOG_REQUEST_BYTES, Chunk
from opsicle.worker.spool_chunks import RequestChunks
from opsicle.worker.spool_segments import SpoolSegment, encode_record, parse_records

log = logging.getLogger(__name__)

SEGMENT_BYTES = 4 * 1024 * 1024
MEMORY_BYTES = 256 * 1024
_DISK_AGAIN_SECONDS = 0.25  # until a disk that refused is tried again


class SpoolQuota:
    """How much all spools of a worker may hold together, and each alone, in bytes on disk.

    A spool may exceed its share by one segment that is acknowledged in part.
    """

    def __init__(self, per_job: int, total: int) -> None:
        self._per_job = per_job
        self._total = total
        self._used = 0
        self._lock = threading.Lock()

    def take(self, size: int, spool: Spool) -> bool:
        """Count `size` bytes as a spool's, if they fit.

        An empty spool is always let in, so that one job with a full spool cannot silence another
        one for ever.
        """
        with self._lock:
            if spool.is_discarded:
                return True
            if spool.held and (
                spool.held + size > self._per_job or self._used + size > self._total
            ):
                return False
            self._used += size
            spool.held += size
            return True

    def give_back(self, size: int, spool: Spool) -> None:
        """Let others have these bytes, as far as the spool still held them."""
        with self._lock:
            freed = min(size, spool.held)
            self._used -= freed
            spool.held -= freed


class _SpoolPosition(NamedTuple):
    """A boundary between records of the first segment: its offset in the log, and in the file."""

    offset: int
    position: int


class Spool:
    """The output of one job that the server does not have yet.

    One thread writes, one reads and acknowledges. `end` is the length of the log so far;
    `acknowledged` is up to where the server has it; `held` is in bytes of disk.
    """

    def __init__(self, folder: Path, job_id: str, quota: SpoolQuota) -> None:
        self.job_id = job_id
        self.end = 0
        self.acknowledged = 0
        self.held = 0
        self._folder = folder
        self._quota = quota
        self._lock = threading.Lock()
        self._is_refusing = False
        self._try_disk_at = 0.0
        self.is_discarded = False
        self._segments: list[SpoolSegment] = []
        self._unread = self._read_to = _SpoolPosition(0, 0)

    @classmethod
    def recover(cls, folder: Path, job_id: str, quota: SpoolQuota) -> Self:
        """Return what an earlier run of the worker left of a job's output, perhaps nothing.

        Raises OSError.
        """
        spool = cls(folder, job_id, quota)
        is_whole = True
        for path in sorted(folder.glob(f"{job_id}.*")):
            start = int(path.suffix[1:])
            if not is_whole or (spool._segments and start != spool.end):
                path.unlink()  # what lies between was torn, so what follows has no place in the log
                is_whole = False
                continue

            segment = SpoolSegment(path, start)
            is_whole = segment.recover()
            spool._segments.append(segment)
            spool.end, spool.held = segment.end, spool.held + segment.size

        if spool._segments:
            spool.acknowledged = spool._segments[0].start
            spool._unread = _SpoolPosition(spool.acknowledged, 0)
        return spool

    @property
    def pending(self) -> int:
        """How many bytes of the log are not acknowledged."""
        return self.end - self.acknowledged

    def write(self, phase: int, stream: int, at_ms: int, content: bytes) -> int | None:
        """Append up to 64 KiB of the job's output; returns the length of the log then.

        None: there is no room, neither on disk nor in memory. Nothing was taken; offer it again
        later: nothing may be dropped. After `discard` the bytes go nowhere, because nobody wants
        them.
        """
        record = encode_record(phase, stream, at_ms, content)

        if not self._quota.take(len(record), self):
            self._refuse("the worker's spool is full")
            return None

        try:
            with self._lock:
                if not self.is_discarded:
                    self._append(record, len(content))
        except OSError as error:
            self._quota.give_back(len(record), self)
            self._refuse(str(error))
            return None

        self._is_refusing = False
        return self.end

    def read(self, limit: int = MAX_LOG_REQUEST_BYTES) -> list[Chunk]:
        """Return the first chunks that are not acknowledged, up to `limit` bytes on the wire.

        They are the same until they are acknowledged.
        """
        with self._lock:
            if not self.pending:
                return []

            self._drop_acknowledged_segments()
            block = os.pread(self._segments[0].fd, limit, self._unread.position)
            offset, position = self._unread
            chunks = RequestChunks(limit)

            for record in parse_records(block):
                skip = min(max(self.acknowledged - offset, 0), len(record.content))
                if not chunks.add(offset + skip, record, record.content[skip:]):
                    break
                offset += len(record.content)
                position += record.disk_bytes
            self._read_to = _SpoolPosition(offset, position)

        return chunks.listed()

    def acknowledge(self, offset: int) -> None:
        """Let go of all before `offset`, which the server has durably."""
        with self._lock:
            if offset <= self.acknowledged or self.is_discarded:
                return

            self.acknowledged = min(offset, self.end)
            if self._unread.offset < self._read_to.offset <= self.acknowledged:
                self._unread = self._read_to
            freed = self._drop_acknowledged_segments()

        self._quota.give_back(freed, self)

    def skip_to(self, offset: int) -> None:
        """Go on behind what the server has, should that be more than an earlier run left."""
        with self._lock:
            if offset <= self.end:
                return

            for segment in self._segments:
                segment.remove()
            self._segments.clear()
            self.end = self.acknowledged = offset
            self._unread = self._read_to = _SpoolPosition(offset, 0)

        self._quota.give_back(self.held, self)

    def sync(self) -> None:
        """Let what is not acknowledged outlive the machine too. Raises OSError."""
        with self._lock:
            if self.pending:
                self._leave_memory()
                for segment in self._segments:
                    os.fdatasync(segment.fd)
                files.sync_folder(self._folder)

    def discard(self) -> None:
        """Remove everything; what is written from now on is forgotten."""
        with self._lock:
            self.is_discarded = True
            for segment in self._segments:
                segment.remove()
            self._segments.clear()
            self.acknowledged = self.end
        self._quota.give_back(self.held, self)

    def _append(self, record: bytes, length: int) -> None:
        now = time.monotonic()
        if now < self._try_disk_at:
            self._append_to_memory(record, length)
        elif refused := self._disk_refuses(record, length):
            if not self._is_in_memory:
                log.warning(
                    "the disk takes no output",
                    extra={"job_id": self.job_id, "reason": str(refused)},
                )
            self._append_to_memory(record, length)
            self._try_disk_at = now + _DISK_AGAIN_SECONDS

        self.end += length

    def _disk_refuses(self, record: bytes, length: int) -> OSError | None:
        try:
            self._append_to_disk(record, length)
        except OSError as refused:
            return refused
        return None

    def _append_to_disk(self, record: bytes, length: int) -> None:
        self._leave_memory()
        if self._segments and self._segments[-1].size < SEGMENT_BYTES:
            self._segments[-1].append(record, length)
        else:
            self._segments.append(
                SpoolSegment.holding(self._path(self.end), self.end, record, length)
            )

    def _append_to_memory(self, record: bytes, length: int) -> None:
        """Keep a record in memory.

        Raises OSError if as much as may be is there, and not acknowledged.
        """
        last = self._segments[-1] if self._is_in_memory else None
        if last and last.size + len(record) <= MEMORY_BYTES:
            last.append(record, length)
        elif last and last.end > self.acknowledged:
            raise OSError(errno.ENOSPC, "neither the disk nor the memory has room")
        else:
            self._segments.append(SpoolSegment.holding(None, self.end, record, length))

    @property
    def _is_in_memory(self) -> bool:
        return bool(self._segments) and self._segments[-1].path is None

    def _leave_memory(self) -> None:
        """Bring to the disk what had to stay in memory, the same bytes at the same places.

        Raises OSError.
        """
        for number, segment in enumerate(self._segments):
            if segment.path is None:
                content, length = segment.content(), segment.end - segment.start
                self._segments[number] = SpoolSegment.holding(
                    self._path(segment.start), segment.start, content, length
                )
                segment.remove()

    def _path(self, start: int) -> Path:
        return self._folder / f"{self.job_id}.{start:020d}"

    def _refuse(self, reason: str) -> None:
        if not self._is_refusing:
            log.warning("the job's output waits", extra={"job_id": self.job_id, "reason": reason})
        self._is_refusing = True

    def _drop_acknowledged_segments(self) -> int:
        """Remove the files that hold nothing of use, save the last.

        Returns how many bytes of disk that were.
        """
        freed = 0
        while len(self._segments) > 1 and self._segments[0].end <= self.acknowledged:
            segment = self._segments.pop(0)
            segment.remove()
            freed += segment.size
            self._unread = _SpoolPosition(self._segments[0].start, 0)
        return freed
