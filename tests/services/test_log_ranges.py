"""Lines of a log by number and by time: the right ones, whatever was printed and in what order."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from opsicle.domain.errors import Unreadable
from opsicle.server.dispatch import log_pages, log_ranges
from opsicle.server.dispatch.log_pages import LinePage, LineRange
from opsicle.server.dispatch.log_segments import pack
from opsicle.server.store import whole_logs
from opsicle.server.store.migrations import LOG_MIGRATIONS, migrate
from opsicle.wire.worker_api import Chunk
from tests.services.core import Core

JOB = "job"


def put(core: Core, *parts: tuple[int, bytes] | tuple[int, bytes, int], job: str = JOB) -> None:
    """Append to a log, each part (stream, bytes, seconds) as a request of its own."""
    for stream, content, *at in parts:
        chunk = (core.job_logs.size(job), 0, stream, 1000 * (at[0] if at else 0), content)
        core.job_logs.append(job, [chunk], org_id="acme")


def page(core: Core, job: str = JOB, **wanted: object) -> LinePage:
    return core.job_logs.ranges.read(job, LineRange(**wanted), "acme")


def texts(found: LinePage) -> list[tuple[int, bytes]]:
    return [(line.line.number, line.content) for line in found.lines]


def milliseconds(count: int) -> datetime:
    return datetime.fromtimestamp(count / 1000, UTC)


def reference(chunks: list[Chunk]) -> list[tuple[int, int, bytes]]:
    """Return each line's stream, time and bytes, in the order in which they begin, the slow way."""
    lines: list[list[object]] = []
    open_lines: dict[tuple[int, int], list[object]] = {}
    for _, phase, stream, at_ms, content in chunks:
        for byte in content:
            line = open_lines.get((phase, stream))
            if line is None:
                line = open_lines[phase, stream] = [stream, at_ms, b""]
                lines.append(line)
            line[2] += bytes([byte])
            if byte == 0x0A:
                del open_lines[phase, stream]
    return [tuple(line) for line in lines]


@pytest.mark.parametrize("seed", range(3))
def test_any_range_of_any_log_is_what_a_slow_reading_finds(
    core: Core, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = random.Random(seed)
    monkeypatch.setattr(log_ranges, "MAX_LINES", 7)
    chunks: list[Chunk] = []
    offset = 0
    for _ in range(60):
        some = []
        for _ in range(source.randint(1, 4)):
            content = bytes(source.choices(b"ab\n\n\r\0\xff", k=source.randint(1, 9)))
            chunk = (
                offset,
                source.randint(0, 1),
                source.choice((1, 2)),
                source.randint(0, 99),
                content,
            )
            some.append(chunk)
            offset += len(content)
        core.job_logs.append(JOB, some, org_id="acme")
        chunks += some
    lines = list(enumerate(reference(chunks), start=1))

    for _ in range(40):
        first, count = source.randint(1, len(lines) + 3), source.randint(1, 30)
        stream = source.choice((0, 0, 1, 2))
        before = source.choice((2**53, source.randint(1, len(lines) + 3)))
        since, until = source.choice(((0, 100), (source.randint(0, 60), source.randint(40, 99))))
        is_wanted = [
            (number, content)
            for number, (its_stream, at_ms, content) in lines
            if stream in (0, its_stream) and since <= at_ms < until and number < before
        ]
        wanted = {"stream": stream, "since": milliseconds(since), "until": milliseconds(until)}
        wanted["before"] = before

        found = [
            each
            for some in core.job_logs.ranges.read_on(
                JOB, LineRange(first=first, count=count, **wanted), "acme"
            )
            for each in texts(some)
        ]
        assert found == [each for each in is_wanted if each[0] >= first][:count]

        found = [
            each
            for some in core.job_logs.ranges.read_on(JOB, LineRange(tail=count, **wanted), "acme")
            for each in texts(some)
        ]
        assert found == is_wanted[-count:]


def numbered(core: Core, count: int) -> None:
    """Append segments of ten lines each."""
    for number in range(count):
        put(core, (1, b"".join(b"%d\n" % (10 * number + each) for each in range(1, 11))))


def test_the_end_of_a_log_begins_where_its_lines_are_known_by_number(core: Core) -> None:
    numbered(core, 50)
    put(core, (2, b"half"), (1, b"501 too\n"))

    whole = core.job_logs.ranges.tail_start(JOB, 5_000)
    short = core.job_logs.ranges.tail_start(JOB, 1)

    assert (whole.offset, whole.lines_before, whole.open_lines) == (0, 0, ())
    assert short.offset == core.job_logs.size(JOB) - len(b"501 too\n")
    assert short.lines_before == 501
    assert [(line.stream, line.number) for line in short.open_lines] == [(2, 501)]
    assert core.job_logs.ranges.tail_start("another", 10).offset == 0


def test_lines_are_found_by_the_byte_at_which_they_begin(core: Core) -> None:
    numbered(core, 50)
    place = page(core, first=145, count=1).lines[0].line.offset

    assert texts(page(core, first_byte=place, count=2)) == [(145, b"145\n"), (146, b"146\n")]
    assert texts(page(core, first_byte=place + 1, count=1)) == [(146, b"146\n")]
    assert texts(page(core, first_byte=core.job_logs.size(JOB))) == []


def test_a_range_reads_only_the_segments_that_it_is_in(core: Core) -> None:
    numbered(core, 50)
    needed = [chunk_of for chunk_of in range(50) if chunk_of in (14, 15, 49)]
    starts = core.logs_database.read(
        lambda db: [row[0] for row in db.execute("SELECT start FROM segments ORDER BY start")]
    )
    keep = ",".join(str(starts[each]) for each in needed)
    core.logs_database.write(
        lambda db: db.execute(f"DELETE FROM segments WHERE start NOT IN ({keep})")
    )

    assert [number for number, _ in texts(page(core, first=145, count=12))] == [*range(145, 157)]
    assert texts(page(core, tail=2)) == [(499, b"499\n"), (500, b"500\n")]
    assert page(core, tail=2).total == 500
    with pytest.raises(Unreadable, match="the log from byte"):
        page(core, first=139, count=3)


def test_what_is_noted_of_lines_is_made_anew_where_it_is_not_there_or_wrong(core: Core) -> None:
    numbered(core, 30)
    whole = texts(page(core))
    assert len(whole) == 300

    for damage in (
        "DELETE FROM segment_lines",
        "DELETE FROM segment_lines WHERE start > 100",
        "DELETE FROM segment_lines WHERE start BETWEEN 100 AND 200",
        "UPDATE segment_lines SET lines = lines + 1, lines_before = lines_before + 3",
        "UPDATE segment_lines SET size = size + 1",
    ):
        core.logs_database.write(lambda db, sql=damage: db.execute(sql))
        assert texts(page(core)) == whole, damage

    put(core, (1, b"and on\n"))
    assert texts(page(core, tail=1)) == [(301, b"and on\n")]


def test_a_hole_that_nobody_knows_of_is_an_error_and_no_shorter_log(core: Core) -> None:
    numbered(core, 30)
    for table in ("segments", "segment_lines"):
        core.logs_database.write(
            lambda db, table=table: db.execute(
                f"DELETE FROM {table} WHERE start BETWEEN 90 AND 200"
            )
        )

    assert len(texts(page(core, first=1, count=20))) == 20
    with pytest.raises(Unreadable, match="the log from byte"):
        page(core)


def test_a_log_that_was_lost_in_part_goes_on_being_counted(core: Core) -> None:
    put(core, (1, b"one\ntwo\n"))
    core.job_logs.append(JOB, [(1000, 0, 1, 0, b"three\n")], lambda: True, org_id="acme")

    assert texts(page(core)) == [(1, b"one\n"), (2, b"two\n"), (3, b"three\n")]


def test_hostile_output_has_lines_like_any_other(core: Core) -> None:
    lines = [b"\0\0\n", b"\xff\xfe bad\n", b"50%\r100%\r\n", b"\n", b"\x1b]0;title\n"]
    put(core, *((1, line) for line in lines))
    assert texts(page(core)) == [*enumerate(lines, start=1)]


def test_a_line_of_ten_megabytes_is_cut_and_those_beside_it_are_whole(core: Core) -> None:
    put(core, (2, b"before\n"))
    for _ in range(160):
        put(core, (1, b"x" * 65_536), (2, b"beside\n"))

    found = page(core, first=1, count=4)
    assert [(line.line.number, len(line.content), line.is_whole) for line in found.lines] == [
        (1, 7, True),
        (2, log_pages.MAX_LINE_BYTES, False),
        (3, 7, True),
        (4, 7, True),
    ]
    assert texts(page(core, stream=2, tail=1)) == [(162, b"beside\n")]


def test_a_clock_that_was_set_back_hides_no_line_from_a_range_of_time(core: Core) -> None:
    put(core, (1, b"a\n", 100), (1, b"b\n", 200), (1, b"c\n", 50), (1, b"d\n", 150))
    put(core, (1, b"e\n", 151))

    def between(since: int, until: int, **more: object) -> list[tuple[int, bytes]]:
        times = {"since": milliseconds(since * 1000), "until": milliseconds(until * 1000)}
        return texts(page(core, **times, **more))

    assert between(100, 151) == [(1, b"a\n"), (4, b"d\n")]
    assert between(0, 60) == [(3, b"c\n")]
    assert between(90, 300, tail=2) == [(4, b"d\n"), (5, b"e\n")]


def test_logs_of_before_lines_were_noted_are_read_and_kept_count_of_like_others(
    tmp_path: Path,
) -> None:
    before = tmp_path / "before"
    before.mkdir()
    for path in sorted(LOG_MIGRATIONS.glob("*.sql"))[:3]:
        (before / path.name).write_text(path.read_text())
    migrate(tmp_path / "logs.db", before)
    connection = apsw.Connection(str(tmp_path / "logs.db"))
    for start, at in ((0, "2026-01-01T00:00:01"), (4, "2026-01-02T00:00:00.5")):
        packed = pack([(start, 0, 1, 5_000 + start, b"%d\n%d\n" % (start, start + 1))])
        connection.execute(
            "INSERT INTO segments (job_id, start, size, chunks, created_at, org_id)"
            " VALUES ('job', ?, 4, ?, ?, 'acme')",
            (start, packed, f"{at}+00:00"),
        )
    connection.close()

    core = Core(tmp_path)
    try:
        row = core.logs_database.read(lambda db: whole_logs.find(db, JOB))
        assert (row.org_id, row.size, row.stored) == ("acme", 0, 0)
        assert (row.first_ms, row.last_ms) == (1_767_225_601_000, 1_767_312_000_500)

        assert texts(page(core, tail=3)) == [(2, b"1\n"), (3, b"4\n"), (4, b"5\n")]
        row = core.logs_database.read(lambda db: whole_logs.find(db, JOB))
        assert (row.size, row.stored > 20) == (8, True)
        put(core, (1, b"new\n"))
        assert texts(page(core, first=4)) == [(4, b"5\n"), (5, b"new\n")]
    finally:
        core.close()
