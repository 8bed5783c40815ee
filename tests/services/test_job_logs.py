"""The log is the bytes that the commands wrote: no gap, no repetition, whatever order requests come in."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsicle.domain.errors import InvalidInput
from opsicle.server.services.job_logs import JobLogs
from opsicle.wire.worker_api import MAX_CHUNK_BYTES, Chunk
from tests.services.core import Core

JOB = "job"
NUMBERS = itertools.count()


def read(logs: JobLogs, offset: int = 0) -> bytes:
    return b"".join(chunk[4] for chunks in logs.read(JOB, offset) for chunk in chunks)


def chunks_of(data: bytes, start: int, end: int, size: int) -> list[Chunk]:
    """`data[start:end]` in chunks of `size`."""
    return [(at, 0, 1, 0, data[at : min(at + size, end)]) for at in range(start, end, size)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=200), seed=st.data())
def test_resent_overlapping_and_too_early_pieces_leave_the_log_byte_equal(
    core: Core, data: bytes, seed: st.DataObject
) -> None:
    job = f"job-{next(NUMBERS)}"
    durable = 0
    for _ in range(100):
        start = seed.draw(st.integers(0, len(data) - 1))
        end = seed.draw(st.integers(start + 1, len(data)))
        durable_to = core.job_logs.append(job, chunks_of(data, start, end, seed.draw(st.integers(1, 50))))
        assert durable_to == (max(durable, end) if start <= durable else durable)
        durable = durable_to
        if durable == len(data):
            break
    stored = b"".join(chunk[4] for chunks in core.job_logs.read(job) for chunk in chunks)
    assert stored == data[:durable]
    offset = seed.draw(st.integers(0, len(data)))
    rest = b"".join(chunk[4] for chunks in core.job_logs.read(job, offset) for chunk in chunks)
    assert rest == data[offset:durable]


def test_stream_phase_and_time_of_each_chunk_are_kept(core: Core) -> None:
    chunks = [(0, 0, 1, 1000, b"out"), (3, 1, 2, 2000, b"err")]
    assert core.job_logs.append(JOB, chunks) == 6
    assert [chunk for some in core.job_logs.read(JOB) for chunk in some] == chunks


def test_a_piece_beyond_the_end_is_not_taken_and_the_answer_says_from_where_to_send(core: Core) -> None:
    assert core.job_logs.append(JOB, [(0, 0, 1, 0, b"abc")]) == 3
    assert core.job_logs.append(JOB, [(5, 0, 1, 0, b"x")]) == 3
    assert read(core.job_logs) == b"abc"


@pytest.mark.parametrize(
    "chunks",
    [
        [(0, 0, 1, 0, b"")],
        [(0, 0, 1, 0, b"x" * (MAX_CHUNK_BYTES + 1))],
        [(0, 0, 1, 0, b"ab"), (1, 0, 1, 0, b"c")],
        [(0, 0, 3, 0, b"ab")],
        [(0, -1, 1, 0, b"ab")],
        [(-1, 0, 1, 0, b"ab")],
        chunks_of(b"x" * (1024 * 1024 + 1), 0, 1024 * 1024 + 1, MAX_CHUNK_BYTES),
    ],
    ids=["empty", "too long", "out of order", "no such stream", "no such phase", "before the start", "too many"],
)
def test_chunks_that_no_worker_of_ours_sends_are_refused(core: Core, chunks: list[Chunk]) -> None:
    with pytest.raises(InvalidInput):
        core.job_logs.append(JOB, chunks)
    assert core.job_logs.size(JOB) == 0


def test_pruning_deletes_what_is_older_than_it_is_to_be_kept(core: Core) -> None:
    core.job_logs.append("old", [(0, 0, 1, 0, b"old")])
    core.clock.advance(3 * 86400)
    core.job_logs.append("new", [(0, 0, 1, 0, b"new")])
    assert core.job_logs.prune(keep=timedelta(days=2)) == 1
    assert core.job_logs.size("old") == 0
    assert core.job_logs.size("new") == 3
