"""Records of a spool, joined into the chunks of one request."""

from __future__ import annotations

from opsicle.wire.worker_api import MAX_CHUNK_BYTES, Chunk
from opsicle.worker.spool_segments import LogRecord

MERGE_MS = 50
"""Records of one stream no further apart become one chunk, so that a chatty job sends fewer."""

_CHUNK_OVERHEAD_BYTES = 24
"""What a chunk costs on the wire beside its content, so that tiny ones do not burst a request."""


class RequestChunks:
    """Records gathered into chunks for one request."""

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._chunks: list[tuple[int, int, int, int, list[bytes]]] = []
        self._last_bytes = 0

    def add(self, offset: int, record: LogRecord, content: bytes) -> bool:
        """Take in a record's content, which begins at `offset`. False if it has no room."""
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
        """Return the chunks, in the order of the log."""
        return [
            (offset, phase, stream, at_ms, b"".join(parts))
            for offset, phase, stream, at_ms, parts in self._chunks
        ]

    def _joins(self, record: LogRecord, length: int) -> bool:
        if not self._chunks or self._last_bytes + length > MAX_CHUNK_BYTES:
            return False
        _, phase, stream, at_ms, _ = self._chunks[-1]
        is_same_stream = (phase, stream) == (record.phase, record.stream)
        return is_same_stream and 0 <= record.at_ms - at_ms <= MERGE_MS
