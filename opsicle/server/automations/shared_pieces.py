"""Pieces of logs as their followers are told them: what many follow is read and written once.

A log only grows, so what stands at a byte of it stays so: a piece that was read for one follower is
the same for the next, who comes in the same moment.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property

import msgspec

from opsicle.server.dispatch.job_logs import JobLogs
from opsicle.wire.log_api import LogChunk, LogEvent
from opsicle.wire.worker_api import Chunk

_MOST_KEPT = 32
_MOST_BYTES = 64 * 1024
"""Of a piece that is kept, so that all of them take a few MiB at most."""


class SharedPiece(msgspec.Struct, frozen=True, dict=True):
    """A piece of a job's log."""

    job_id: str
    chunks: list[Chunk]

    @property
    def end(self) -> int:
        """Where the next one begins."""
        return self.chunks[-1][0] + len(self.chunks[-1][4])

    @property
    def shown(self) -> LogEvent:
        """The piece as a `log` event has it."""
        return LogEvent(self.job_id, [_chunk(chunk) for chunk in self.chunks])

    @cached_property
    def encoded(self) -> msgspec.Raw:
        """That event as JSON."""
        return msgspec.Raw(msgspec.json.encode(self.shown))


class SharedPieces:
    """Reads pieces, and keeps the last few."""

    def __init__(self, job_logs: JobLogs) -> None:
        self._job_logs = job_logs
        self._kept: OrderedDict[tuple[str, int], SharedPiece] = OrderedDict()

    def read(self, job_id: str, offset: int, until: int | None = None) -> Iterator[SharedPiece]:
        """Yield the pieces from `offset` to the log's end now, or as far as to `until`."""
        while until is None or offset < until:
            piece = self._kept.get((job_id, offset)) or self._read(job_id, offset)
            if piece is None:
                return
            yield piece
            offset = piece.end

    def _read(self, job_id: str, offset: int) -> SharedPiece | None:
        chunks = next(self._job_logs.read(job_id, offset), None)
        if chunks is None:
            return None
        piece = SharedPiece(job_id, chunks)
        if piece.end - offset <= _MOST_BYTES:
            self._kept[job_id, offset] = piece
            if len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return piece


def _chunk(chunk: Chunk) -> LogChunk:
    offset, phase, stream, at_ms, data = chunk
    return LogChunk(
        offset,
        phase,
        stream,
        datetime.fromtimestamp(at_ms / 1000, UTC),
        base64.b64encode(data).decode(),
    )
