"""Where the lines of a segment of a log begin."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable

from opsicle.server.dispatch.log_lines import Channel, LineCount, OpenLine
from opsicle.wire.worker_api import Chunk


class LineStarts:
    """Where the lines of a segment begin, found out only when it has a match.

    Kept as numbers, since a segment may have a million lines.
    """

    def __init__(self, chunks: Iterable[Chunk], count: LineCount) -> None:
        self._chunks = chunks
        self._count = count
        self._found: dict[Channel, _Columns] | None = None

    def line_at(self, channel: Channel, place: int) -> OpenLine | None:
        """Return the line that holds a byte of what the segment has of a channel."""
        if self._found is None:
            self._found = self._find()
        columns = self._found.get(channel)
        index = bisect_right(columns.places, place) - 1 if columns else -1
        return columns.line(channel, index) if columns and index >= 0 else None

    def _find(self) -> dict[Channel, _Columns]:
        found: dict[Channel, _Columns] = {}
        sizes: dict[Channel, int] = {}
        for chunk in self._chunks:
            channel = (chunk[1], chunk[2])
            before = sizes.get(channel, 0)
            columns = found.setdefault(channel, _Columns())
            for begin in self._count.begins(chunk):
                columns.add(before + begin.place, begin.line)
            sizes[channel] = before + len(chunk[4])
        return found


class _Columns:
    """Begins of lines of one channel."""

    def __init__(self) -> None:
        self.places, self._numbers, self._offsets, self._times = (array("q") for _ in range(4))

    def add(self, place: int, line: OpenLine) -> None:
        self.places.append(place)
        self._numbers.append(line.number)
        self._offsets.append(line.offset)
        self._times.append(line.at_ms)

    def line(self, channel: Channel, index: int) -> OpenLine:
        return OpenLine(*channel, self._numbers[index], self._offsets[index], self._times[index])
