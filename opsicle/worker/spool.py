"""Output of jobs on disk, from the moment it was read from the job until the server has it durably.

A job's log is one sequence of bytes, counted from 0. Its spool is a row of segment files, each a row of records: a
header (`_HEADER`), then the bytes. A segment whose bytes are all acknowledged is removed, save the last one: it tells
the next life of the worker how long the log is. A record that was torn by a crash ends the spool.

What was written outlives the worker's own process at once (the kernel has it), and the machine's end after `sync`.

While the disk takes nothing, up to `MEMORY_BYTES` of a job's output wait in memory instead, and go to the disk as soon
as it takes them, so that a job that has filled the disk can still say so, and end.
"""

from __future__ import annotations

import errno
import logging
import os
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

from opsicle.kit import files
from opsicle.wire.worker_api import MAX_CHUNK_BYTES, MAX_LOG_REQUEST_BYTES, Chunk

log = logging.getLogger(__name__)

SEGMENT_BYTES = 4 * 1024 * 1024
MERGE_MS = 50
"""Records of one stream that lie no further apart become one chunk, so that a chatty job sends fewer, larger ones."""

MEMORY_BYTES = 256 * 1024
_DISK_AGAIN_SECONDS = 0.25  # until a disk that refused is tried again

_HEADER = struct.Struct(">IIHBQ")  # crc32 of all that follows, length, phase, stream, at_ms
_CHUNK_OVERHEAD_BYTES = 24
"""What a chunk costs on the wire beside its content, at most, so that tiny chunks do not burst a request."""


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

        An empty spool is always let in, so that one job with a full spool cannot silence another one for ever.
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


class _Segment:
    """One file of a spool: the log offset of its first byte and the one after its last, and its size.

    Without a path it is a file in memory.
    """

    def __init__(self, path: Path | None, start: int) -> None:
        self.path = path
        self.start = self.end = start
        self.size = 0
        if path:
            self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        else:
            self.fd = os.memfd_create("spool", os.MFD_CLOEXEC)

    @classmethod
    def holding(cls, path: Path | None, start: int, record: bytes, length: int) -> Self:
        """A new file that has this in it. Raises OSError and leaves nothing behind."""
        segment = cls(path, start)
        try:
            segment.append(record, length)
        except OSError:
            segment.remove()
            raise
        return segment

    def append(self, record: bytes, length: int) -> None:
        """Add a record of `length` bytes of log. Raises OSError and leaves nothing of it behind."""
        try:
            files.write_all(self.fd, record)
        except OSError:
            os.ftruncate(self.fd, self.size)
            raise
        self.size += len(record)
        self.end += length

    def recover(self) -> bool:
        """Find what an earlier life wrote, and cut off what was torn. False if there was such a thing."""
        content = os.pread(self.fd, os.fstat(self.fd).st_size, 0)
        for record in _parse(content):
            body = content[self.size + 4 : self.size + record.disk_bytes]
            if zlib.crc32(body) != int.from_bytes(content[self.size : self.size + 4], "big"):
                break
            self.size += record.disk_bytes
            self.end += len(record.content)
        os.ftruncate(self.fd, self.size)
        return self.size == len(content)

    def content(self) -> bytes:
        """All records."""
        return os.pread(self.fd, self.size, 0)

    def remove(self) -> None:
        os.close(self.fd)
        if self.path:
            self.path.unlink(missing_ok=True)


class _Record(NamedTuple):
    phase: int
    stream: int
    at_ms: int
    content: bytes

    @property
    def disk_bytes(self) -> int:
        return _HEADER.size + len(self.content)


class _Place(NamedTuple):
    """A border between records of the first segment: at which offset of the log, and where in the file."""

    offset: int
    position: int


class Spool:
    """The output of one job that the server does not have yet. One thread writes, one reads and acknowledges.

    `end` is the length of the log so far; `acknowledged` is up to where the server has it; `held` is in bytes of disk.
    """

    def __init__(self, folder: Path, job_id: str, room: SpoolQuota) -> None:
        self.job_id = job_id
        self.end = 0
        self.acknowledged = 0
        self.held = 0
        self._folder = folder
        self._room = room
        self._lock = threading.Lock()
        self._is_refusing = False
        self._try_disk_at = 0.0
        self.is_discarded = False
        self._segments: list[_Segment] = []
        self._unread = self._read_to = _Place(0, 0)

    @classmethod
    def recover(cls, folder: Path, job_id: str, room: SpoolQuota) -> Self:
        """What an earlier life of the worker left of a job's output; perhaps nothing. Raises OSError."""
        spool = cls(folder, job_id, room)
        is_whole = True
        for path in sorted(folder.glob(f"{job_id}.*")):
            start = int(path.suffix[1:])
            if not is_whole or (spool._segments and start != spool.end):
                path.unlink()  # what lies between was torn, so what follows has no place in the log
                is_whole = False
                continue
            segment = _Segment(path, start)
            is_whole = segment.recover()
            spool._segments.append(segment)
            spool.end, spool.held = segment.end, spool.held + segment.size
        if spool._segments:
            spool.acknowledged = spool._segments[0].start
            spool._unread = _Place(spool.acknowledged, 0)
        return spool

    @property
    def pending(self) -> int:
        """How many bytes of the log are not acknowledged."""
        return self.end - self.acknowledged

    def write(self, phase: int, stream: int, at_ms: int, content: bytes) -> int | None:
        """Append up to 64 KiB of the job's output; returns the length of the log then.

        None: there is no room, neither on disk nor in memory. Nothing was taken; offer it again later: nothing may be
        dropped.
        After `discard` the bytes go nowhere, because nobody wants them.
        """
        body = _HEADER.pack(0, len(content), phase, stream, at_ms)[4:] + content
        record = zlib.crc32(body).to_bytes(4, "big") + body
        if not self._room.take(len(record), self):
            self._refuse("the worker's spool is full")
            return None
        try:
            with self._lock:
                if not self.is_discarded:
                    self._append(record, len(content))
        except OSError as error:
            self._room.give_back(len(record), self)
            self._refuse(str(error))
            return None
        self._is_refusing = False
        return self.end

    def read(self, limit: int = MAX_LOG_REQUEST_BYTES) -> list[Chunk]:
        """The first chunks that are not acknowledged, up to `limit` bytes on the wire; the same until they are."""
        with self._lock:
            if not self.pending:
                return []
            self._drop_acknowledged_segments()
            block = os.pread(self._segments[0].fd, limit, self._unread.position)
            offset, position = self._unread
            chunks = _Chunks(limit)
            for record in _parse(block):
                skip = min(max(self.acknowledged - offset, 0), len(record.content))
                if not chunks.add(offset + skip, record, record.content[skip:]):
                    break
                offset += len(record.content)
                position += record.disk_bytes
            self._read_to = _Place(offset, position)
        return chunks.listed()

    def acknowledge(self, offset: int) -> None:
        """The server has all before `offset` durably, so it may leave the disk."""
        with self._lock:
            if offset <= self.acknowledged or self.is_discarded:
                return
            self.acknowledged = min(offset, self.end)
            if self._unread.offset < self._read_to.offset <= self.acknowledged:
                self._unread = self._read_to
            freed = self._drop_acknowledged_segments()
        self._room.give_back(freed, self)

    def go_on_at(self, offset: int) -> None:
        """Go on behind what the server has, should that be more than an earlier life has left here."""
        with self._lock:
            if offset <= self.end:
                return
            for segment in self._segments:
                segment.remove()
            self._segments.clear()
            self.end = self.acknowledged = offset
            self._unread = self._read_to = _Place(offset, 0)
        self._room.give_back(self.held, self)

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
        self._room.give_back(self.held, self)

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
            self._segments.append(_Segment.holding(self._path(self.end), self.end, record, length))

    def _append_to_memory(self, record: bytes, length: int) -> None:
        """Keep a record in memory. Raises OSError if as much as may be is there, and not acknowledged."""
        last = self._segments[-1] if self._is_in_memory else None
        if last and last.size + len(record) <= MEMORY_BYTES:
            last.append(record, length)
        elif last and last.end > self.acknowledged:
            raise OSError(errno.ENOSPC, "neither the disk nor the memory has room")
        else:
            self._segments.append(_Segment.holding(None, self.end, record, length))

    @property
    def _is_in_memory(self) -> bool:
        return bool(self._segments) and self._segments[-1].path is None

    def _leave_memory(self) -> None:
        """Bring to the disk what had to stay in memory; the same bytes at the same places. Raises OSError."""
        for number, segment in enumerate(self._segments):
            if segment.path is None:
                content, length = segment.content(), segment.end - segment.start
                self._segments[number] = _Segment.holding(
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
        """Remove the files that hold nothing of use, save the last; returns how many bytes of disk that were."""
        freed = 0
        while len(self._segments) > 1 and self._segments[0].end <= self.acknowledged:
            segment = self._segments.pop(0)
            segment.remove()
            freed += segment.size
            self._unread = _Place(self._segments[0].start, 0)
        return freed


class _Chunks:
    """Records gathered into chunks for one request."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._chunks: list[tuple[int, int, int, int, list[bytes]]] = []
        self._last_bytes = 0

    def add(self, offset: int, record: _Record, content: bytes) -> bool:
        """Take in a record's content, which begins at `offset`. False if there is no room for it."""
        if not content:
            return True
        joins = self._joins(record, len(content))
        cost = len(content) + (0 if joins else _CHUNK_OVERHEAD_BYTES)
        if cost > self._left and self._chunks:
            return False
        self._left -= cost
        if joins:
            self._chunks[-1][4].append(content)
            self._last_bytes += len(content)
        else:
            self._chunks.append((offset, record.phase, record.stream, record.at_ms, [content]))
            self._last_bytes = len(content)
        return True

    def listed(self) -> list[Chunk]:
        """The chunks, in the order of the log."""
        return [
            (offset, phase, stream, at_ms, b"".join(parts))
            for offset, phase, stream, at_ms, parts in self._chunks
        ]

    def _joins(self, record: _Record, length: int) -> bool:
        if not self._chunks or self._last_bytes + length > MAX_CHUNK_BYTES:
            return False
        _, phase, stream, at_ms, _ = self._chunks[-1]
        return (phase, stream) == (
            record.phase,
            record.stream,
        ) and 0 <= record.at_ms - at_ms <= MERGE_MS


def _parse(block: bytes) -> Iterator[_Record]:
    """The whole records at the beginning of a block."""
    position = 0
    while position + _HEADER.size <= len(block):
        _, length, phase, stream, at_ms = _HEADER.unpack_from(block, position)
        position += _HEADER.size
        if position + length > len(block) or not length:
            return
        yield _Record(phase, stream, at_ms, block[position : position + length])
        position += length
