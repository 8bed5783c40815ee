"""Parts of a log by line and by time, without reading the rest of it.

What is noted of each segment (`log_index.py`) says where to begin and what to pass over. A line is
whole however its bytes are mixed with those of others: reading goes on behind the last line wanted
until all of them have ended, within a bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from opsicle.domain.errors import Unreadable
from opsicle.server.dispatch.log_index import LineIndex
from opsicle.server.dispatch.log_lines import Channel, LineCount, OpenLine
from opsicle.server.dispatch.log_segments import chunks_of
from opsicle.server.store import logs
from opsicle.server.store.database import Connection
from opsicle.server.store.log_database import LogDatabase
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

MAX_TAIL_BYTES = 16 * 1024 * 1024
"""From where a log is shown to its end, however long its last lines are."""

_ROWS_AT_ONCE = 500


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


class TailStart(msgspec.Struct, frozen=True):
    """Where to begin to read a log for its last lines.

    `lines_before` have begun before `offset`, of which `open_lines` go on there.
    """

    offset: int = 0
    lines_before: int = 0
    open_lines: tuple[OpenLine, ...] = ()


FROM_BEGINNING = TailStart()


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


class LogRanges:
    """Reads lines. Who may read which job's log is for the caller to decide."""

    def __init__(self, database: LogDatabase, index: LineIndex) -> None:
        self._database = database
        self._index = index

    def read(self, job_id: str, wanted: LineRange, org_id: str) -> LinePage:
        """Return a page of lines.

        Raises Unreadable if a part of the log that is needed for it is missing, TooManyRequests if
        the org has too many of these reads under way.
        """
        self._index.complete(job_id)
        try:
            return self._database.read_long(lambda db: _read(db, job_id, wanted), org_id)
        except WrongIndex:
            self._index.make_anew(job_id)
        try:
            return self._database.read_long(lambda db: _read(db, job_id, wanted), org_id)
        except WrongIndex as error:
            raise Unreadable.of("the log") from error

    def tail_start(self, job_id: str, lines: int) -> TailStart:
        """Return where to begin for the last lines: so many, or a few more or fewer."""
        self._index.complete(job_id)
        return self._database.read(lambda db: _tail_start(db, job_id, lines))

    def read_on(self, job_id: str, wanted: LineRange, org_id: str) -> Iterator[LinePage]:
        """Yield page after page, until `count` lines have been read or there are no more."""
        left = wanted.count if wanted.tail is None else wanted.tail
        while True:
            page = self.read(job_id, msgspec.structs.replace(wanted, count=left), org_id)
            yield page
            left -= len(page.lines)
            if page.next_line is None or left <= 0:
                return
            wanted = msgspec.structs.replace(wanted, first=page.next_line, tail=None)


def _read(db: Connection, job_id: str, wanted: LineRange) -> LinePage:
    if wanted.tail is not None:
        first = _first_of_last(db, job_id, wanted)
        wanted = msgspec.structs.replace(wanted, first=first, count=wanted.tail)
    elif wanted.first_byte:
        first = _first_from_byte(db, job_id, wanted.first_byte)
        wanted = msgspec.structs.replace(wanted, first=max(first, wanted.first))

    last = logs.find_last_lines(db, job_id)
    collected = _Collected(msgspec.structs.replace(wanted, count=min(wanted.count, MAX_LINES)))
    for segment, count in _candidates(db, job_id, collected):
        if collected.is_complete or collected.is_read_enough:
            break
        collected.add(_load(db, segment), segment, count)
    return collected.page(last.lines_up_to if last else 0)


def _tail_start(db: Connection, job_id: str, lines: int) -> TailStart:
    last = logs.find_last_lines(db, job_id)
    row = last and logs.find_lines_at(db, job_id, max(1, last.lines_up_to - lines + 1))
    if last is None or row is None:
        return FROM_BEGINNING
    if last.end - row.start > MAX_TAIL_BYTES:
        row = (logs.list_lines(db, job_id, last.end - MAX_TAIL_BYTES, 1) or [last])[0]

    count = _count_at(db, row)
    return TailStart(row.start, count.begun, tuple(count.open_lines.values()))


def _first_from_byte(db: Connection, job_id: str, byte: int) -> int:
    """Return the number of the first line that begins at a byte of the log or behind it."""
    rows = logs.list_lines_back(db, job_id, byte + 1, 1)
    if not rows:
        return 1
    count = _count_at(db, rows[0])
    for chunk in _load(db, rows[0]):
        for begin in count.begins(chunk):
            if begin.line.offset >= byte:
                return begin.line.number
    return rows[0].lines_up_to + 1


def _first_of_last(db: Connection, job_id: str, wanted: LineRange) -> int:
    """Return the number at which the last lines begin, `tail` of them or more.

    With a time or a stream there may be a few more in the segment where that is.
    """
    left = wanted.tail or 0
    last = logs.find_last_lines(db, job_id)
    if last is None or not left:
        return last.lines_up_to + 1 if last else 1
    end_number = min(last.lines_up_to + 1, wanted.before)
    if not wanted.stream and not wanted.since and not wanted.until:
        return max(1, end_number - left)

    end = last.end
    first = end_number
    while rows := logs.list_lines_back(db, job_id, end, _ROWS_AT_ONCE):
        for row in rows:
            end = row.start
            if not wanted.may_begin_in(row):
                continue
            first = row.lines_before + 1
            left -= _count_wanted(db, row, wanted)
            if left <= 0:
                return _wanted_in(db, row, wanted)[-left]
    return first


def _count_wanted(db: Connection, row: SegmentLines, wanted: LineRange) -> int:
    is_all = wanted.since_ms <= row.first_ms and row.last_ms < wanted.until_ms
    is_all = is_all and row.lines_up_to < wanted.before
    return wanted.lines_in(row) if is_all else len(_wanted_in(db, row, wanted))


def _wanted_in(db: Connection, row: SegmentLines, wanted: LineRange) -> list[int]:
    count = _count_at(db, row)
    return [
        begin.line.number
        for chunk in _load(db, row)
        for begin in count.begins(chunk)
        if wanted.wants(begin.line)
    ]


def _count_at(db: Connection, row: SegmentLines) -> LineCount:
    """Return the count as it stands where a segment begins."""
    before = logs.list_lines_back(db, row.job_id, row.start, 1)
    return LineCount.restore(row.lines_before, before[0].open_lines) if before else LineCount()


def _candidates(
    db: Connection, job_id: str, collected: _Collected
) -> Iterator[tuple[SegmentLines, LineCount]]:
    """Yield the segments that have to be read, each with the count as it stands at its start."""
    row = logs.find_lines_at(db, job_id, collected.wanted.first)
    start = row.start if row else 0
    count = _count_at(db, row) if row else LineCount()

    while rows := logs.list_lines(db, job_id, start, _ROWS_AT_ONCE):
        for row in rows:
            check_follows(db, row, start)
            if collected.is_continued or collected.wanted.may_begin_in(row):
                yield row, count
            count = LineCount.restore(row.lines_up_to, row.open_lines)
            start = row.end


def check_follows(db: Connection, row: SegmentLines, end: int) -> None:
    """Check that what is noted goes on at `end`.

    Raises WrongIndex if a segment between is not noted, Unreadable if it is not there, unless it is
    known that it was lost.
    """
    if row.start == end:
        return
    between = logs.list_from(db, row.job_id, end, 1)
    if between and between[0].start < row.start:
        raise WrongIndex
    if not logs.has_gap(db, row.job_id):
        raise Unreadable.of(f"the log from byte {end} to {row.start}")


def _load(db: Connection, row: SegmentLines) -> tuple[Chunk, ...]:
    """Return a segment's chunks. Raises Unreadable if it is not there as it is noted."""
    found = logs.list_from(db, row.job_id, row.start, 1)
    if not found or (found[0].start, found[0].size) != (row.start, row.size):
        raise Unreadable.of(f"the log from byte {row.start} to {row.end}")
    return chunks_of(found[0])


class _Collected:
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
