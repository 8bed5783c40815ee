"""Parts of a log by line and by time, without reading the rest of it.

What is noted of each segment (`log_index.py`) says where to begin and what to pass over. A line is
whole however its bytes are mixed with those of others: reading goes on behind the last line wanted
until all of them have ended, within a bound.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from opsicle.domain.errors import Unreadable
from opsicle.server.dispatch.log_index import LineIndex
from opsicle.server.dispatch.log_lines import LineCount, OpenLine
from opsicle.server.dispatch.log_pages import (
    MAX_LINES,
    CollectedLines,
    LinePage,
    LineRange,
    WrongIndex,
)
from opsicle.server.dispatch.log_segments import chunks_of
from opsicle.server.store import logs
from opsicle.server.store.database import Connection
from opsicle.server.store.log_database import LogDatabase
from opsicle.server.store.logs import SegmentLines
from opsicle.wire.worker_api import Chunk

MAX_TAIL_BYTES = 16 * 1024 * 1024
"""From where a log is shown to its end, however long its last lines are."""

_ROWS_AT_ONCE = 500


class TailStart(msgspec.Struct, frozen=True):
    """Where to begin to read a log for its last lines.

    `lines_before` have begun before `offset`, of which `open_lines` go on there.
    """

    offset: int = 0
    lines_before: int = 0
    open_lines: tuple[OpenLine, ...] = ()


FROM_BEGINNING = TailStart()


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
    collected = CollectedLines(msgspec.structs.replace(wanted, count=min(wanted.count, MAX_LINES)))
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
    db: Connection, job_id: str, collected: CollectedLines
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
