"""Which lines of a log are wanted, and pages of them put together from its segments."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from opsicle.server.dispatch.log_lines import Channel, LineCount, OpenLine
from opsicle.server.store.logs import SegmentLines
from opsicle.wire.jobs import STDERR
from opsicle.wire.worker_api import Chunk

MAX_LINES = 5_000
"""In one page."""

MAX_PAGE_BYTES = 2 * 1024 * 1024
"""Of lines in one page: the one that exceeds it is the last."""

MAX_LINE_BYTES = 256 * 1024
"""Of one line: what is behind is left out, for it is there in the log as a whole."""

_BYTES_READ = 32 * 1024 * 1024
"""Of a log for one page, at most; a page that has to stop there says where to go on."""


class LineRange(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines: `count` of them from number `first` on, or the last `tail`.

    Or from the first that begins at `first_byte` of the log or behind it.

    Only such as stand before number `before`; of one `stream` alone, 0 for both; and only such as
    began from `since` to before `until`, by the worker's clock.
    """

    first: int = 1
    first_byte: int = 0
    count: int = MAX_LINES
    tail: int | None = None
    before: int = 2**53
    stream: int = 0
    since: datetime | None = None
    until: datetime | None = None

    @property
    def since_ms(self) -> int:
        """As chunks have it."""
        return round(self.since.timestamp() * 1000) if self.since else 0

    @property
    def until_ms(self) -> int:
        """As chunks have it."""
        return round(self.until.timestamp() * 1000) if self.until else 2**53

    def wants(self, line: OpenLine) -> bool:
        """Return whether a line is among those asked for."""
        return (
            self.first <= line.number < self.before
            and self.stream in (0, line.stream)
            and self.since_ms <= line.at_ms < self.until_ms
        )

    def may_begin_in(self, segment: SegmentLines) -> bool:
        """Return whether a wanted line may begin in a segment."""
        return (
            self.lines_in(segment) > 0
            and segment.lines_up_to >= self.first
            and segment.lines_before + 1 < self.before
            and segment.last_ms >= self.since_ms
            and segment.first_ms < self.until_ms
        )

    def lines_in(self, segment: SegmentLines) -> int:
        """Return how many lines of the stream begin in a segment."""
        if not self.stream:
            return segment.lines
        return segment.error_lines if self.stream == STDERR else segment.lines - segment.error_lines


class WrongIndex(Exception):
    """What is noted of a log's lines does not fit its segments. Never leaves this folder."""


class FoundLine(msgspec.Struct):
    """A line with its line feed, if that has come. `is_whole`: nothing of it is left out.

    `is_last`: it goes up to where the log ends now, without a line feed.
    """

    line: OpenLine
    content: bytes = b""
    is_whole: bool = False
    is_last: bool = False


class LinePage(msgspec.Struct):
    """Some lines of a log. `next_line` is from where to go on, None if there are no more.

    `total` is how many lines the log has.
    """

    lines: list[FoundLine]
    total: int
    next_line: int | None = None


class CollectedLines:
    """Lines that are put together from segments, which come in order, some of them left out."""

    def __init__(self, wanted: LineRange) -> None:
        self.wanted = wanted
        self.bytes_read = 0
        self._lines: list[FoundLine] = []
        self._parts: dict[int, list[bytes]] = {}
        self._open: dict[Channel, FoundLine] = {}
        self._size = 0
        self._seen_to = wanted.first - 1

    @property
    def is_continued(self) -> bool:
        """Whether a line that is wanted has begun and not ended."""
        return bool(self._open)

    @property
    def is_full(self) -> bool:
        """Whether no further line is taken."""
        return len(self._lines) >= self.wanted.count or self._size > MAX_PAGE_BYTES

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is to be read."""
        return self.is_full and not self._open

    @property
    def is_read_enough(self) -> bool:
        """Whether so much was read for this page that it ends here."""
        return self.bytes_read > _BYTES_READ

    def add(self, chunks: Iterable[Chunk], segment: SegmentLines, count: LineCount) -> None:
        """Take what a segment has of the lines that are wanted.

        Raises WrongIndex if it has more or fewer lines than is noted.
        """
        for chunk in chunks:
            self._go_on(chunk)
            for begin in count.begins(chunk):
                if self.wanted.wants(begin.line) and not self.is_full:
                    self._begin(begin.line, begin.place, chunk[4])
        if count.begun != segment.lines_up_to:
            raise WrongIndex
        self.bytes_read += segment.size
        self._seen_to = segment.lines_up_to

    def _go_on(self, chunk: Chunk) -> None:
        _, phase, stream, _, content = chunk
        if line := self._open.get((phase, stream)):
            self._extend(line, content, 0)

    def _begin(self, line: OpenLine, place: int, content: bytes) -> None:
        found = FoundLine(line)
        self._lines.append(found)
        self._parts[line.number] = []
        self._extend(found, content, place)

    def _extend(self, found: FoundLine, content: bytes, place: int) -> None:
        """Add what a chunk has of a line from `place` on, and note whether it has ended."""
        channel, parts = found.line.channel, self._parts[found.line.number]
        end = content.find(b"\n", place) + 1
        room = MAX_LINE_BYTES - sum(map(len, parts))
        part = content[place : (end or len(content))]
        parts.append(part[:room])
        self._size += len(parts[-1])

        is_cut = len(part) > room
        if not end and not is_cut:
            self._open[channel] = found
            return
        self._open.pop(channel, None)
        found.is_whole = not is_cut

    def page(self, total: int) -> LinePage:
        """Return what has been found."""
        for found in self._open.values():
            found.is_last = not self.is_read_enough
        for found in self._lines:
            found.content = b"".join(self._parts[found.line.number])
        return LinePage(self._lines, total, self._next_line(total))

    def _next_line(self, total: int) -> int | None:
        if self.is_full and self._lines:
            seen_to = self._lines[-1].line.number
        elif self.is_read_enough:
            seen_to = self._seen_to
        else:
            return None
        return seen_to + 1 if seen_to < total else None
