"""The journal tells the worker's next run what this one left, whatever ended it."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsicle.domain.automations import JobState
from opsicle.wire.jobs import Outcome, PhaseReport, StepState
from opsicle.worker.journal import COMPACT_BYTES, Journal
from opsicle.worker.journal_lines import ChildProcess, JobEntry
from opsicle.worker.replay_guard import CLOCK_SKEW, UsedOrder

PHASES = (PhaseReport(name="main", state=StepState.RUNNING, started_at_ms=1),)
OUTCOME = Outcome(
    state=JobState.FAILED, phases=PHASES, exit_code=3, explanation="phase main failed"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def written(path: Path) -> bytes:
    """Return a journal of one whole job and one that runs."""
    journal = Journal(path)
    journal.starting("one", 1)
    journal.child("one", ChildProcess(4711, "boot/99"))
    journal.progress("one", PHASES)
    journal.finished("one", OUTCOME, 12_345)
    journal.starting("two", 7)
    journal.close()
    return path.read_bytes()


def left_in(path: Path) -> list[JobEntry]:
    """Return what the next run finds."""
    journal = Journal(path)
    journal.close()
    return journal.open_jobs()


def test_a_new_journal_has_no_jobs(path: Path) -> None:
    assert left_in(path) == []


def test_the_next_life_knows_all_that_was_written(path: Path) -> None:
    written(path)

    one, two = left_in(path)
    assert (one.job_id, one.fence, one.children) == ("one", 1, [ChildProcess(4711, "boot/99")])
    assert (one.phases, one.outcome, one.log_bytes) == (PHASES, OUTCOME, 12_345)
    assert (two.job_id, two.fence, two.outcome) == ("two", 7, None)


def test_a_closed_job_is_forgotten(path: Path) -> None:
    journal = Journal(path)
    journal.starting("one", 1)
    journal.finished("one", OUTCOME, 0)

    journal.closed("one")
    journal.close()

    assert left_in(path) == []


def test_a_line_torn_at_any_byte_spoils_no_other(path: Path) -> None:
    content = written(path)
    last_line = content.rindex(b"\n", 0, -1) + 1
    for cut in range(last_line, len(content)):
        path.write_bytes(content[:cut])
        jobs = left_in(path)
        # Only the line's end is missing in the last case: its content is whole.
        assert [job.job_id for job in jobs] == (
            ["one", "two"] if cut == len(content) - 1 else ["one"]
        )
        assert jobs[0].outcome == OUTCOME


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_costs_at_most_its_own_line(
    tmp_path_factory, place: int, change: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    content = bytearray(written(path))
    place %= len(content)
    content[place] ^= change

    path.write_bytes(content)

    for job in left_in(path):
        assert (job.job_id, job.fence) in {("one", 1), ("two", 7)}
        assert job.outcome in (None, OUTCOME)


def test_what_is_written_after_a_torn_line_counts(path: Path) -> None:
    content = written(path)
    path.write_bytes(content[:-5])
    journal = Journal(path)

    journal.starting("three", 1)
    journal.close()

    assert [job.job_id for job in left_in(path)] == ["one", "three"]


def test_the_journal_does_not_grow_for_ever(path: Path) -> None:
    journal = Journal(path)
    journal.starting("kept", 5)
    explanation = "x" * 10_000

    for number in range(3 * COMPACT_BYTES // 10_000):
        job_id = f"job-{number}"
        journal.starting(job_id, 1)
        journal.finished(
            job_id, Outcome(state=JobState.FAILED, phases=(), explanation=explanation), 0
        )
        journal.closed(job_id)
    journal.close()

    assert path.stat().st_size < COMPACT_BYTES + 20_000
    assert [(job.job_id, job.fence) for job in left_in(path)] == [("kept", 5)]


def test_many_threads_lose_no_line(path: Path) -> None:
    journal = Journal(path)

    def work(thread: int) -> None:
        for number in range(25):
            journal.starting(f"{thread}-{number}", number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    assert len(left_in(path)) == 200


def test_a_killed_process_loses_nothing_that_was_noted(path: Path) -> None:
    code = """
import os, pathlib, sys
from opsicle.worker.journal import Journal
from opsicle.worker.journal_lines import ChildProcess
journal = Journal(pathlib.Path(sys.argv[1]))
journal.starting("one", 1)
journal.child("one", ChildProcess(7, "boot/1"))
os.kill(os.getpid(), 9)
"""

    subprocess.run([sys.executable, "-c", code, str(path)], check=False)

    (job,) = left_in(path)
    assert job.children == [ChildProcess(7, "boot/1")]


# Orders count once

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def order(number: int, expires_at: datetime = NOON + MINUTE) -> UsedOrder:
    return UsedOrder(f"j{number}", 1, f"nonce-{number}", expires_at)


def later(path: Path, now: datetime) -> Journal:
    """Return the journal of the worker's next run, which begins by writing it anew."""
    return Journal(path, now=lambda: now)


def test_an_order_counts_once_in_this_life_and_the_next(path: Path) -> None:
    journal = later(path, NOON)

    assert journal.spend(order(1))
    assert not journal.spend(order(1))

    journal.close()
    for _ in range(2):
        journal = later(path, NOON)
        assert not journal.spend(order(1))
        assert not journal.spend(UsedOrder("j9", 9, "nonce-1", NOON + MINUTE))
        assert not journal.spend(UsedOrder("j1", 1, "nonce-9", NOON + MINUTE))
        journal.close()
    assert later(path, NOON).spend(UsedOrder("j1", 2, "nonce-2", NOON + MINUTE))


def test_of_one_order_that_comes_to_many_threads_at_once_one_counts(path: Path) -> None:
    journal, taken = later(path, NOON), []
    barrier = threading.Barrier(8)

    def take() -> None:
        barrier.wait()
        taken.append(journal.spend(order(1)))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 7 + [True]


def test_orders_are_forgotten_only_when_they_have_expired_by_any_clock(path: Path) -> None:
    journal = later(path, NOON)
    for number in range(1000):
        journal.spend(order(number))
    journal.close()
    full = path.stat().st_size

    journal = later(path, NOON + MINUTE + CLOCK_SKEW)

    assert not journal.spend(order(7))

    journal.close()
    assert path.stat().st_size == full

    later(path, NOON + MINUTE + CLOCK_SKEW + timedelta(seconds=1)).close()
    assert path.stat().st_size < 100


def test_what_was_forgotten_does_not_count_again_when_the_clock_is_set_back(path: Path) -> None:
    journal = later(path, NOON)
    journal.spend(order(1))
    journal.close()
    later(path, NOON + timedelta(days=1)).close()

    for _ in range(2):
        journal = later(path, NOON)
        assert not journal.spend(order(1))
        assert not journal.spend(order(2, NOON + MINUTE))
        journal.close()

    assert later(path, NOON).spend(order(2, NOON + 2 * MINUTE))


def test_the_orders_of_closed_jobs_outlive_a_rewriting(path: Path) -> None:
    journal, size = later(path, NOON), 0
    assert journal.spend(order(0))

    for number in range(1, 50_000):
        journal.starting(f"j{number}", 1) if number < 3 else journal.child(
            "j1", ChildProcess(number, "boot/1")
        )
        if path.stat().st_size > COMPACT_BYTES:
            break
    size = path.stat().st_size

    journal.closed("j1")

    assert path.stat().st_size < size
    assert not journal.spend(order(0))
