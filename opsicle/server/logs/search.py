"""Looking for a text in logs: segment by segment, in a thread, until time is up or enough is found.

Nothing here knows who asks. A search is stopped at any segment and goes on there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from heapq import nsmallest
from itertools import islice

import msgspec

from opsicle.domain.errors import InvalidInput
from opsicle.domain.patterns import SearchPattern
from opsicle.server.dispatch.log_lines import Channel, LineCount, OpenLine
from opsicle.server.dispatch.log_segments import chunks_of
from opsicle.server.logs.line_starts import LineStarts
from opsicle.server.store import logs
from opsicle.server.store.database import Connection
from opsicle.server.store.logs import SegmentLines
from opsicle.wire.worker_api import Chunk

PIECE_BYTES = 64 * 1024
"""A line that is longer is looked at in pieces, as they come in segments."""

OVERLAP_BYTES = 4 * 1024
"""By which such pieces overlap: a match that is longer than that may be missed between two.

And a `$` may match at the end of a piece, since nobody knows yet how the line goes on."""

MOST_AGAIN_BYTES = 4 * 1024 * 1024
"""Looked at again where a search goes on amid lines: of such as are longer only their end."""

WINDOW_BYTES = 64 * 1024
"""Looked through at once, in whole lines: some expressions take seconds for each MiB."""

OVERDUE_SECONDS = 3.0

EXCERPT_BYTES = 400
_BEFORE_MATCH_BYTES = 120

_ROWS_AT_ONCE = 200


class SearchBudget(msgspec.Struct):
    """How far a search goes. `cancel` may be called from any thread."""

    until: float
    hits: int
    is_cancelled: bool = False

    @property
    def is_spent(self) -> bool:
        """Whether to stop at the next segment."""
        return self.is_cancelled or time.monotonic() >= self.until

    def require_progress(self) -> None:
        """Raise InvalidInput where one segment takes so long that a search would never get on."""
        if time.monotonic() >= self.until + OVERDUE_SECONDS:
            raise InvalidInput(
                "this expression takes too long to look for",
                hint="Repeat less in it, or look for a part of it that is plain text.",
            )

    def cancel(self) -> None:
        """Stop as soon as may be: nobody waits for the answer."""
        self.is_cancelled = True


class LineQuery(msgspec.Struct, frozen=True):
    """What is looked for: a pattern, in lines of one stream (0: both) that began in a time."""

    pattern: SearchPattern
    stream: int = 0
    since_ms: int = 0
    until_ms: int = 2**53

    def wants(self, line: OpenLine) -> bool:
        """Return whether a line is looked at."""
        return self.since_ms <= line.at_ms < self.until_ms


class SearchPosition(msgspec.Struct, frozen=True):
    """From where to search a job's log: the segment at `start`, behind line `after_line` there."""

    start: int = 0
    after_line: int = 0


class Hit(msgspec.Struct):
    """A line with a match, of which bytes `start` to `end` of `excerpt` are the first one."""

    job_id: str
    line: OpenLine
    excerpt: bytes
    start: int
    end: int


class SearchResult(msgspec.Struct):
    """What a search has found, and how much it has looked at.

    `matches` counts lines, also such as are no longer among the `hits`. `missing_bytes` are not
    there.
    """

    hits: list[Hit] = msgspec.field(default_factory=list)
    matches: int = 0
    bytes: int = 0
    missing_bytes: int = 0


class _PartialLine(msgspec.Struct):
    """The end of a segment that is the begin of a line, or goes on with one.

    `is_cut`: it is not the line's begin, so that no `^` matches there.
    """

    line: OpenLine
    content: bytes
    is_reported: bool = False
    is_cut: bool = False


class LogSearch:
    """Searches one job's log. `counts_on`: once there are enough hits, further ones are counted."""

    def __init__(
        self,
        db: Connection,
        job_id: str,
        query: LineQuery,
        searched: SearchResult,
        *,
        counts_on: bool = False,
    ) -> None:
        self._db = db
        self._job_id = job_id
        self._query = query
        self._searched = searched
        self._counts_on = counts_on
        self._partial_lines: dict[Channel, _PartialLine] = {}
        self._budget: SearchBudget | None = None

    def run(self, position: SearchPosition, budget: SearchBudget) -> SearchPosition | None:
        """Search from a position on. Return where to go on, None if the log has been searched.

        Raises InvalidInput for an expression that takes too long.
        """
        self._budget = budget
        after_line = position.after_line
        count = self._begin(position.start)
        stopped: SearchPosition | None = None

        for row in self._rows(position.start):
            if budget.is_spent:
                return stopped or SearchPosition(row.start, after_line)
            rest = self._take(row, count, after_line, budget)
            if rest is not None and stopped is None:
                stopped = SearchPosition(row.start, rest)
            if stopped and not self._counts_on:
                return stopped
            count, after_line = LineCount.restore(row.lines_up_to, row.open_lines), 0

        last = list(self._last_lines())  # one for each phase at most: there is always room
        self._searched.hits += [] if stopped else last
        self._searched.matches += len(last)
        return stopped

    def _take(
        self, row: SegmentLines, count: LineCount, after_line: int, budget: SearchBudget
    ) -> int | None:
        """Search a segment behind a line, and keep hits.

        Return the number of the last that was kept where one had no room any more. No more than
        these are ever held: a segment may have a hit in each of a million lines.
        """
        room = max(0, budget.hits - len(self._searched.hits))
        most = None if self._counts_on else room + 1
        matches = 0

        def counted() -> Iterator[Hit]:
            nonlocal matches
            for hit in self._segment(row, count, after_line, most):
                matches += 1
                yield hit

        hits = nsmallest(room + 1, counted(), key=_number)
        kept = hits[:room]
        self._searched.hits += kept
        self._searched.matches += matches if self._counts_on else len(kept)
        if len(kept) == len(hits):
            return None
        return kept[-1].line.number if kept else hits[0].line.number - 1

    def _rows(self, start: int) -> Iterator[SegmentLines]:
        while rows := logs.list_lines(self._db, self._job_id, start, _ROWS_AT_ONCE):
            yield from rows
            start = rows[-1].end

    def _begin(self, start: int) -> LineCount:
        """Return the count at a segment, and take up the lines that go on there.

        For that what they began with is looked at again, which finds nothing new.
        """
        before = self._last_before(start)
        if before is None:
            return LineCount()
        count = LineCount.restore(before.lines_up_to, before.open_lines)
        if not count.open_lines:
            return count

        first = min(line.offset for line in count.open_lines.values())
        row = self._last_before(max(first, start - MOST_AGAIN_BYTES) + 1) or before
        earlier = self._last_before(row.start)
        again = LineCount.restore(row.lines_before, earlier.open_lines) if earlier else LineCount()
        searched, self._searched = self._searched, SearchResult()
        for each in self._rows(row.start):
            if each.start >= start:
                break
            deque(self._segment(each, again), maxlen=0)
            again = LineCount.restore(each.lines_up_to, each.open_lines)
        self._searched = searched
        return count

    def _last_before(self, offset: int) -> SegmentLines | None:
        """Return the last segment that begins before a byte."""
        found = logs.list_lines_back(self._db, self._job_id, offset, 1)
        return found[0] if found else None

    def _chunks(self, row: SegmentLines) -> tuple[Chunk, ...]:
        """Return a segment's chunks, none if they are not there."""
        found = logs.list_from(self._db, self._job_id, row.start, 1)
        if found and found[0].start == row.start:
            return chunks_of(found[0])
        self._searched.missing_bytes += row.size
        return ()

    def _segment(
        self, row: SegmentLines, count: LineCount, after_line: int = 0, most: int | None = None
    ) -> Iterator[Hit]:
        """Yield the hits behind a line, of each channel no more than `most`.

        After so many of one, the segment is not searched any further.
        """
        self._searched.bytes += row.size
        query = self._query
        if not self._partial_lines and (
            row.last_ms < query.since_ms or row.first_ms >= query.until_ms
        ):
            return
        chunks = self._chunks(row)
        if not chunks:
            self._partial_lines.clear()
            return

        open_lines = LineCount.restore(row.lines_up_to, row.open_lines).open_lines
        begins = LineStarts(chunks, count)
        for channel, content in _by_channel(chunks).items():
            if query.stream in (0, channel[1]):
                found = self._of_channel(channel, content, begins, open_lines.get(channel))
                yield from islice((hit for hit in found if hit.line.number > after_line), most)

    def _of_channel(
        self, channel: Channel, content: bytes, begins: LineStarts, open_line: OpenLine | None
    ) -> Iterator[Hit]:
        """Search what a segment has of one stream of one phase, and keep what has not ended."""
        partial = self._partial_lines.pop(channel, None)
        held = len(partial.content) if partial else 0
        content = partial.content + content if partial else content

        rest = content.rfind(b"\n") + 1
        is_piece = len(content) - rest > PIECE_BYTES
        reported: OpenLine | None = partial.line if partial and partial.is_reported else None

        ends_at = len(content) if is_piece else rest
        begins_at = 1 if partial and partial.is_cut else 0
        for start, end in self._matches(content, begins_at, ends_at):
            begin = content.rfind(b"\n", 0, start) + 1
            goes_on = partial is not None and begin == 0
            line = partial.line if partial and goes_on else begins.line_at(channel, begin - held)
            if line is None or line == reported:
                continue
            reported = line
            if self._query.wants(line):
                yield _hit(self._job_id, line, content, begin, (start, end))

        if open_line and rest < len(content):
            kept = (
                content[max(rest, len(content) - OVERLAP_BYTES) :] if is_piece else content[rest:]
            )
            is_cut = is_piece or (rest == 0 and begins_at == 1)
            self._partial_lines[channel] = _PartialLine(
                open_line, kept, reported == open_line, is_cut
            )

    def _matches(self, content: bytes, place: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the first match of each line from a place on."""
        while place < end:
            line_end = content.find(b"\n", place + WINDOW_BYTES, end)
            window_end = end if line_end < 0 else line_end
            if match := self._query.pattern.find(content, place, window_end):
                yield match
                place = content.find(b"\n", match[1], end) + 1 or end
            else:
                place = window_end + 1
            if self._budget:
                self._budget.require_progress()

    def _last_lines(self) -> Iterator[Hit]:
        """Search the lines that have no end at the log's end."""
        for partial in self._partial_lines.values():
            content = partial.content
            match = self._query.pattern.find(content, int(partial.is_cut), len(content))
            if match and not partial.is_reported and self._query.wants(partial.line):
                yield _hit(self._job_id, partial.line, content, 0, match)


def _by_channel(chunks: Iterable[Chunk]) -> dict[Channel, bytes]:
    parts: dict[Channel, list[bytes]] = {}
    for _, phase, stream, _, content in chunks:
        parts.setdefault((phase, stream), []).append(content)
    return {channel: b"".join(some) for channel, some in parts.items()}


def _hit(job_id: str, line: OpenLine, content: bytes, begin: int, match: tuple[int, int]) -> Hit:
    first = max(begin, match[0] - _BEFORE_MATCH_BYTES)
    end = content.find(b"\n", match[0])
    last = min(len(content) if end < 0 else end, first + EXCERPT_BYTES)
    return Hit(job_id, line, content[first:last], match[0] - first, min(match[1], last) - first)


def _number(hit: Hit) -> int:
    return hit.line.number
