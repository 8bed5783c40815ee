"""The logs of jobs: appended in order without a gap, kept as compressed segments, read from any offset."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TypeVar

import msgspec
from gevent.threadpool import ThreadPool

from opsicle.domain.errors import InvalidInput
from opsicle.kit.clock import Clock
from opsicle.server.store import logs
from opsicle.server.store.database import Connection, Database
from opsicle.server.threads import run_in
from opsicle.wire.worker_api import MAX_CHUNK_BYTES, MAX_LOG_REQUEST_BYTES, Chunk

SEGMENTS_PER_READ = 1
SEGMENTS_PER_PRUNING = 200
QUICK_BYTES = 32 * 1024
"""Up to here packing or unpacking takes less than a thread would."""

_FASTEST = 1
"""zlib level: text shrinks to a fifth or so at it, and more would cost more than the disk it saves."""

T = TypeVar("T")
R = TypeVar("R")

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Chunk, ...])


class JobLogs:
    """The log database. Who may read which job's log is for the caller to decide."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._packers = ThreadPool(1)

    def append(self, job_id: str, chunks: Sequence[Chunk]) -> int:
        """Keep output and answer up to which offset all of the log is durable.

        Bytes that are there already are passed over, so sending again is harmless; chunks that begin beyond the
        log's end are not taken, and the answer tells from where to send again. Raises InvalidInput for chunks
        that are too long, empty or out of order.
        """
        _check(chunks)

        while True:
            end = self.size(job_id)
            fresh = _not_before(chunks, end)
            if not fresh or fresh[0][0] != end:
                return end
            size = fresh[-1][0] + len(fresh[-1][4]) - end
            segment = logs.Segment(job_id, end, size, self._quickly(size, _pack, fresh))
            if self._database.write(lambda db: self._append(db, segment)):  # noqa: B023
                return end + size

    def _append(self, db: Connection, segment: logs.Segment) -> bool:
        """Add a segment, unless another request was first."""
        if logs.size(db, segment.job_id) != segment.start:
            return False
        logs.append(db, segment, self._clock.now())
        return True

    def _quickly(self, size: int, function: Callable[[T], R], given: T) -> R:
        """Call a function on so many bytes: here, or in a thread where that would hold the event loop."""
        return function(given) if size <= QUICK_BYTES else run_in(self._packers, function, given)

    def size(self, job_id: str) -> int:
        """The length of a job's log in bytes."""
        return self._database.read(lambda db: logs.size(db, job_id))

    def read(self, job_id: str, offset: int = 0) -> Iterator[list[Chunk]]:
        """The chunks from `offset` to the end of what is there now, a list per read of the database."""
        while True:
            start = offset
            segments = self._database.read(lambda db: logs.list_from(db, job_id, start, SEGMENTS_PER_READ))  # noqa: B023
            if not segments:
                return
            chunks = self._quickly(sum(segment.size for segment in segments), _unpack, segments)
            fresh = _not_before(chunks, offset)
            yield fresh
            offset = fresh[-1][0] + len(fresh[-1][4])

    def close(self) -> None:
        """End the threads that pack."""
        self._packers.kill()

    def prune(self, keep: timedelta) -> int:
        """Delete what is older than `keep`, in small steps that let others write between; answers how much went."""
        before = self._clock.now() - keep
        total = 0
        while deleted := self._database.write(lambda db: logs.delete_before(db, before, SEGMENTS_PER_PRUNING)):
            total += deleted
        return total


def _pack(chunks: list[Chunk]) -> bytes:
    return zlib.compress(_encoder.encode(chunks), _FASTEST)


def _unpack(segments: list[logs.Segment]) -> list[Chunk]:
    return [chunk for segment in segments for chunk in _decoder.decode(zlib.decompress(segment.chunks))]


def _check(chunks: Sequence[Chunk]) -> None:
    if sum(len(chunk[4]) for chunk in chunks) > MAX_LOG_REQUEST_BYTES:
        raise InvalidInput(f"more than {MAX_LOG_REQUEST_BYTES} log bytes in one request")
    expected = chunks[0][0] if chunks else 0
    for offset, phase, stream, _, data in chunks:
        if offset != expected or offset < 0:
            raise InvalidInput(f"a log chunk begins at {offset}, not at {expected}")
        if not 0 < len(data) <= MAX_CHUNK_BYTES:
            raise InvalidInput(f"a log chunk has {len(data)} bytes; 1 to {MAX_CHUNK_BYTES} are allowed")
        if phase < 0 or stream not in (1, 2):
            raise InvalidInput("a log chunk names no phase or stream")
        expected = offset + len(data)


def _not_before(chunks: Sequence[Chunk], offset: int) -> list[Chunk]:
    """The part of the chunks at and after `offset`; the one that spans it is cut."""
    fresh: list[Chunk] = []
    for start, phase, stream, at_ms, data in chunks:
        if start >= offset:
            fresh.append((start, phase, stream, at_ms, data))
        elif start + len(data) > offset:
            fresh.append((offset, phase, stream, at_ms, data[offset - start :]))
    return fresh
