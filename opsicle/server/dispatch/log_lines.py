r"""What a line of a log is, and the numbers that lines have.

A line is what one stream of one phase prints up to a line feed, however its bytes are mixed with
those of another stream on the way. Lines are numbered in the order in which they begin, from 1; a
`\r` ends none. The browser counts alike (`assets/lib/linebuffer.js`), so that a number means the
same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from opsicle.wire.jobs import STDERR
from opsicle.wire.worker_api import Chunk

MAX_OPEN_LINES = 64
"""Lines without an end at the same time.

There are two for each phase that may still print. Of more, the oldest count as ended, so that what
is kept with each segment stays small whatever a worker sends.
"""

_encoder = msgspec.msgpack.Encoder()

Channel = tuple[int, int]
"""A phase and one of its streams."""


class OpenLine(msgspec.Struct, array_like=True, frozen=True):
    """A line that has begun and not ended: its number, and where and when it began."""

    phase: int
    stream: int
    number: int
    offset: int
    at_ms: int

    @property
    def channel(self) -> Channel:
        """Where it goes on."""
        return self.phase, self.stream


_open_decoder = msgspec.msgpack.Decoder(list[OpenLine])


class LineBegin(msgspec.Struct, frozen=True):
    """A line begins in a chunk, at `place` of the chunk's bytes."""

    line: OpenLine
    place: int


class LineCount:
    """Counts lines while chunks go by: `begun` so far, `open_lines` of them without an end."""

    def __init__(self, begun: int = 0, open_lines: Iterable[OpenLine] = ()) -> None:
        self.begun = begun
        self.open_lines: dict[Channel, OpenLine] = {line.channel: line for line in open_lines}

    @classmethod
    def restore(cls, begun: int, packed: bytes) -> LineCount:
        """Return the count as it stood where it was packed."""
        return cls(begun, _open_decoder.decode(packed))

    def packed_open_lines(self) -> bytes:
        """Return the open lines as they are stored."""
        return _encoder.encode(list(self.open_lines.values()))

    def add(self, chunk: Chunk) -> int:
        """Count the lines that begin in a chunk, and return how many."""
        offset, phase, stream, at_ms, content = chunk
        ends = content.count(b"\n")
        is_ended = content.endswith(b"\n")
        goes_on = (phase, stream) in self.open_lines
        begun = ends + (not is_ended) - goes_on

        self.begun += begun
        if is_ended:
            self.open_lines.pop((phase, stream), None)
        elif begun > 0:
            place = content.rfind(b"\n") + 1
            self._open(OpenLine(phase, stream, self.begun, offset + place, at_ms))
        return begun

    def begins(self, chunk: Chunk) -> Iterator[LineBegin]:
        """Count as `add` does, and yield each line that begins."""
        offset, phase, stream, at_ms, content = chunk
        place = 0
        if (phase, stream) in self.open_lines:
            place = content.find(b"\n") + 1
            if not place:
                return
            del self.open_lines[phase, stream]

        while place < len(content):
            self.begun += 1
            line = OpenLine(phase, stream, self.begun, offset + place, at_ms)
            yield LineBegin(line, place)
            place = content.find(b"\n", place) + 1
            if not place:
                self._open(line)
                return

    def _open(self, line: OpenLine) -> None:
        self.open_lines.pop(line.channel, None)
        self.open_lines[line.channel] = line
        if len(self.open_lines) > MAX_OPEN_LINES:
            del self.open_lines[next(iter(self.open_lines))]


class LinesOfChunks(msgspec.Struct, frozen=True):
    """How many lines begin in some chunks, how many of them on stderr, and between which times."""

    lines: int
    error_lines: int
    first_ms: int
    last_ms: int


def count_lines(count: LineCount, chunks: Iterable[Chunk]) -> LinesOfChunks:
    """Count the lines that begin in chunks."""
    lines = error_lines = 0
    times: list[int] = []
    for chunk in chunks:
        begun = count.add(chunk)
        lines += begun
        error_lines += begun if chunk[2] == STDERR else 0
        times.append(chunk[3])
    return LinesOfChunks(lines, error_lines, min(times, default=0), max(times, default=0))
