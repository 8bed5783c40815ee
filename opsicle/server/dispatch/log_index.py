"""Which lines begin in which segment of a job's log.

It is noted as segments arrive. It can be made anew from them at any time: for logs that were there
before it was noted, and where what is noted does not fit what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from opsicle.server.dispatch.log_lines import LineCount, count_lines
from opsicle.server.dispatch.log_segments import chunks_of
from opsicle.server.store import logs, whole_logs
from opsicle.server.store.database import Connection
from opsicle.server.store.log_database import LogDatabase
from opsicle.wire.worker_api import Chunk

_BYTES_AT_ONCE = 64 * 1024 * 1024
"""Of a log that is read for the index in one go, in a thread; then what is found is kept."""

_ROWS_AT_ONCE = 200


def count_after(last: logs.SegmentLines | None) -> LineCount:
    """Return a count that goes on behind what is noted last."""
    return LineCount.restore(last.lines_up_to, last.open_lines) if last else LineCount()


def lines_of(segment: logs.Segment, chunks: Sequence[Chunk], count: LineCount) -> logs.SegmentLines:
    """Return which lines begin in a segment of these chunks, and let the count go on behind it."""
    before = count.begun
    found = count_lines(count, chunks)
    return logs.SegmentLines(
        segment.job_id,
        segment.start,
        segment.size,
        before,
        found.lines,
        found.error_lines,
        found.first_ms,
        found.last_ms,
        count.packed_open_lines(),
    )


class LineIndex:
    """What is noted of the lines of logs, made where it is missing."""

    def __init__(self, database: LogDatabase) -> None:
        self._database = database

    def complete(self, job_id: str, is_wanted: Callable[[], bool] = lambda: True) -> bool:
        """Note what is not noted yet of a log that is there. Return whether all of it is.

        Safe to call twice, and at the same time; goes on where it was, until it `is_wanted` no
        longer.
        """
        was_noted = True
        while is_wanted():
            last, end = self._database.read(lambda db: _noted_to(db, job_id))
            if (last.end if last else 0) == end:
                if not was_noted:
                    self._database.write(lambda db: whole_logs.note_size(db, job_id))
                return True
            was_noted = False
            if last and last.end > end:
                self._database.write(lambda db: logs.delete_lines(db, job_id))
                continue

            rows = self._database.read_long(partial(_lines_behind, job_id=job_id, last=last))
            for place in range(0, len(rows), _ROWS_AT_ONCE):
                some = rows[place : place + _ROWS_AT_ONCE]
                self._database.write(partial(logs.insert_lines, rows=some))
        return False

    def make_anew(self, job_id: str) -> None:
        """Forget what is noted of a log, because it does not fit, and note it again."""
        self._database.write(lambda db: logs.delete_lines(db, job_id))
        self.complete(job_id)


def _noted_to(db: Connection, job_id: str) -> tuple[logs.SegmentLines | None, int]:
    return logs.find_last_lines(db, job_id), logs.size(db, job_id)


def _lines_behind(
    db: Connection, job_id: str, last: logs.SegmentLines | None
) -> list[logs.SegmentLines]:
    """Return the lines of the next segments behind what is noted last."""
    rows: list[logs.SegmentLines] = []
    count, offset = count_after(last), last.end if last else 0
    size = 0
    while size < _BYTES_AT_ONCE:
        segments = logs.list_from(db, job_id, offset, 1)
        if not segments:
            break
        rows.append(lines_of(segments[0], chunks_of(segments[0]), count))
        offset, size = segments[0].start + segments[0].size, size + segments[0].size
    return rows
