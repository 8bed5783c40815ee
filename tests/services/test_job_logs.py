"""The log is the bytes that the commands wrote.

No gap, no repetition, whatever order requests come in.
"""

from __future__ import annotations

import itertools
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opsicle.domain.errors import InvalidInput
from opsicle.server.access.actor import Actor
from opsicle.server.dispatch.job_logs import JobLogs, LogBounds
from opsicle.wire.jobs import Outcome
from opsicle.wire.worker_api import MAX_CHUNK_BYTES, Chunk, FinishRequest, LogRequest
from tests.services.core import Core

JOB = "job"
NUMBERS = itertools.count()


def read(logs: JobLogs, offset: int = 0) -> bytes:
    return b"".join(chunk[4] for chunks in logs.read(JOB, offset) for chunk in chunks)


def chunks_of(data: bytes, start: int, end: int, size: int) -> list[Chunk]:
    """Return `data[start:end]` in chunks of `size`."""
    return [(at, 0, 1, 0, data[at : min(at + size, end)]) for at in range(start, end, size)]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(min_size=1, max_size=200), seed=st.data())
def test_resent_overlapping_and_too_early_pieces_leave_the_log_byte_equal(
    core: Core, data: bytes, seed: st.DataObject
) -> None:
    job = f"job-{next(NUMBERS)}"
    durable = 0
    for _ in range(100):
        start = seed.draw(st.integers(0, len(data) - 1))
        end = seed.draw(st.integers(start + 1, len(data)))
        durable_to = core.job_logs.append(
            job, chunks_of(data, start, end, seed.draw(st.integers(1, 50)))
        )
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


def test_a_piece_beyond_the_end_is_not_taken_and_the_answer_says_from_where_to_send(
    core: Core,
) -> None:
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
    ids=[
        "empty",
        "too long",
        "out of order",
        "no such stream",
        "no such phase",
        "before the start",
        "too many",
    ],
)
def test_chunks_that_no_worker_of_ours_sends_are_refused(core: Core, chunks: list[Chunk]) -> None:
    with pytest.raises(InvalidInput):
        core.job_logs.append(JOB, chunks)
    assert core.job_logs.size(JOB) == 0


# Bounds


def noise(count: int) -> bytes:
    """Return bytes that packing makes no smaller."""
    return os.urandom(count)


def test_a_worker_that_knows_no_limit_of_a_log_still_ends_its_job(core: Core, alice: Actor) -> None:
    core.job_logs.bounds = LogBounds(job_bytes=1000)
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    end = 0

    def log() -> None:
        chunk = (end, 0, 1, 0, noise(60_000))
        core.jobs.log(worker.actor, work.job_id, LogRequest(fence=work.fence, chunks=(chunk,)))

    while end < 1000 + 1024 * 1024:
        log()
        end += 60_000

    with pytest.raises(InvalidInput, match="has reached its limit of 1000 bytes"):
        log()

    chunk = (end, 0, 1, 0, b"last words")
    outcome = Outcome(state="succeeded", phases=(), exit_code=0)
    request = FinishRequest(fence=work.fence, outcome=outcome, log_bytes=10**12, chunks=(chunk,))
    core.jobs.finish(worker.actor, work.job_id, request)
    shown = core.automations.get(alice, automation.id)
    assert shown.state == "succeeded"
    assert "limit" in shown.log_remark
