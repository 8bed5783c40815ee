"""Chunks of a log as they are stored: packed into segments."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

import msgspec

from opsicle.domain.errors import InvalidInput
from opsicle.server.store import logs
from opsicle.wire.worker_api import MAX_CHUNK_BYTES, MAX_LOG_REQUEST_BYTES, Chunk

INLINE_BYTES = 32 * 1024
"""Up to here packing or unpacking takes less than a thread would."""

_FASTEST = 1
"""zlib level: text shrinks to a fifth or so, and more would cost more than the disk it saves."""

_DAMAGED = b"[here the server's log is damaged]\n"

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Chunk, ...])


def pack(chunks: Sequence[Chunk]) -> bytes:
    """Return chunks as a segment stores them."""
    return zlib.compress(_encoder.encode(chunks), _FASTEST)


def pack_tail(chunks: Sequence[Chunk]) -> bytes:
    """Return a few chunks as they are kept for moments: packing them would cost more."""
    return _encoder.encode(chunks)


def unpack_tail(content: bytes) -> tuple[Chunk, ...]:
    """Return the chunks that were kept so; none where that cannot be read."""
    try:
        return _decoder.decode(content)
    except msgspec.MsgspecError:
        return ()


def unpack(segments: Sequence[logs.Segment]) -> list[Chunk]:
    """Return the chunks of segments."""
    return [chunk for segment in segments for chunk in chunks_of(segment)]


def chunks_of(segment: logs.Segment) -> tuple[Chunk, ...]:
    """Return what a segment holds.

    If that is damaged, as many bytes that say so, since every byte of a log has its place.
    """
    try:
        return _decoder.decode(zlib.decompress(segment.chunks))
    except (zlib.error, msgspec.MsgspecError):
        filler = _DAMAGED * (segment.size // len(_DAMAGED) + 1)
        return ((segment.start, 0, 2, 0, filler[: segment.size]),)


def missing(start: int, end: int) -> Iterator[list[Chunk]]:
    """Yield chunks that say so in the place of a part of a log that is gone, nobody knows why."""
    for offset in range(start, end, MAX_CHUNK_BYTES):
        size = min(MAX_CHUNK_BYTES, end - offset)
        filler = _DAMAGED * (size // len(_DAMAGED) + 1)
        yield [(offset, 0, 2, 0, filler[:size])]


def withheld(chunks: Sequence[Chunk], reason: str) -> list[Chunk]:
    """Return chunks that say in as many bytes why theirs are not kept; they pack to almost none."""
    line = f"[not kept: {reason}]\n".encode()
    return [
        (start, phase, stream, at_ms, (line * (len(data) // len(line) + 1))[: len(data)])
        for start, phase, stream, at_ms, data in chunks
    ]


def not_before(chunks: Sequence[Chunk], offset: int) -> list[Chunk]:
    """Return the part of the chunks at and after `offset`; the one that spans it is cut."""
    fresh: list[Chunk] = []
    for start, phase, stream, at_ms, content in chunks:
        if start >= offset:
            fresh.append((start, phase, stream, at_ms, content))
        elif start + len(content) > offset:
            fresh.append((offset, phase, stream, at_ms, content[offset - start :]))
    return fresh


def check_chunks(chunks: Sequence[Chunk]) -> None:
    """Raise InvalidInput for chunks that are too long, empty or out of order."""
    if sum(len(chunk[4]) for chunk in chunks) > MAX_LOG_REQUEST_BYTES:
        raise InvalidInput(f"more than {MAX_LOG_REQUEST_BYTES} log bytes in one request")

    expected = chunks[0][0] if chunks else 0
    for offset, phase, stream, _, data in chunks:
        if offset != expected or offset < 0:
            raise InvalidInput(f"a log chunk begins at {offset}, not at {expected}")
        if not 0 < len(data) <= MAX_CHUNK_BYTES:
            raise InvalidInput(
                f"a log chunk has {len(data)} bytes; 1 to {MAX_CHUNK_BYTES} are allowed"
            )
        if phase < 0 or stream not in (1, 2):
            raise InvalidInput("a log chunk names no phase or stream")
        expected = offset + len(data)
