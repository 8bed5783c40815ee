"""A worker process and its server, which goes away, forgets to answer, and changes its mind."""

from __future__ import annotations

import hashlib
import random
import signal
import time
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.wire.jobs import StepState
from tests.worker.fake_listener import Refusal
from tests.worker.fake_server import J1, J2, J9, FakeServer, work
from tests.worker.job_runs import is_alive
from tests.worker.running_worker import RunningWorker, let_pass, lines, run_worker

# The usual way


def test_a_short_job_costs_two_calls_and_leaves_nothing_behind(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.give(work(J1, "echo hello; echo problem >&2"))

    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
    assert sorted(bytes(fake_server.logs[J1]).splitlines()) == [b"hello", b"problem"]
    assert (fake_server.calls["start"], fake_server.calls["finish"]) == (1, 1)

    worker.wait(lambda: not worker.files("spool"), "an empty spool")
    assert worker.files("workspaces") == []


def test_output_arrives_while_the_job_runs(
    worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"

    fake_server.give(work(J1, f"echo early; while ! test -e {go_on}; do sleep 0.01; done"))
    worker.wait(lambda: bytes(fake_server.logs[J1]) == b"early\n", "live output")

    assert fake_server.phases[J1][0].state == StepState.RUNNING

    go_on.touch()
    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED


def test_a_poll_tells_the_truth_about_slots_and_jobs(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.give(work(J1, "sleep 30"))
    worker.wait(lambda: fake_server.polls[-1].jobs, "a poll with the job")

    poll = fake_server.polls[-1]
    assert [(job.job_id, job.fence) for job in poll.jobs] == [(J1, 1)]
    assert (poll.slots, poll.free_slots) == (4, 3)
    assert "subprocess" in poll.runtimes

    fake_server.cancel(J1)
    worker.wait_for_finish(J1)


def test_a_worker_without_a_free_slot_hears_of_a_cancel_at_once(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.give(*(work(job_id, "sleep 100") for job_id in (J1, J2, J9, f"{J1}-more")))
    worker.wait(lambda: fake_server.polls[-1].free_slots == 0, "a full worker")

    fake_server.cancel(J2)

    assert worker.wait_for_finish(J2) == JobState.CANCELLED
    assert len(fake_server.finished) == 1


def test_work_that_is_handed_out_twice_runs_once(
    worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    judge = tmp_path / "judge"
    fake_server.give(work(J1, f"echo ran >> {judge}; sleep 0.5"))
    worker.wait(lambda: lines(judge), "the job")

    fake_server.give(work(J1, f"echo ran >> {judge}; sleep 0.5"))
    worker.wait_for_finish(J1)

    assert lines(judge) == ["ran"]


# At most once


def test_nothing_is_executed_before_the_server_has_said_go(
    worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    judge = tmp_path / "judge"
    fake_server.refusals["start"] = Refusal(503, "unavailable", "starting")

    fake_server.give(work(J1, f"echo ran >> {judge}"))
    worker.wait(lambda: fake_server.calls["start"] >= 3, "repeated requests to start")

    assert lines(judge) == []

    del fake_server.refusals["start"]
    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
    assert lines(judge) == ["ran"]


def test_a_lost_answer_to_start_is_asked_for_again_and_the_job_runs_once(
    worker, fake_server, tmp_path: Path
) -> None:
    judge = tmp_path / "judge"
    fake_server.faults["start"] += ["after", "before", "after"]

    fake_server.give(work(J1, f"echo ran >> {judge}"))

    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
    assert lines(judge) == ["ran"]
    assert set(fake_server.starts) == {(J1, 1)}


def test_a_job_whose_lease_is_gone_is_never_begun(
    worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    judge = tmp_path / "judge"
    fake_server.lost.add(J1)
    fake_server.give(work(J1, f"echo ran >> {judge}"))
    worker.wait(lambda: fake_server.calls["start"], "the request to start")
    worker.wait(lambda: not fake_server.polls[-1].jobs, "a worker that holds nothing")

    fake_server.give(work(J2, "true"))
    worker.wait_for_finish(J2)

    assert lines(judge) == []
    assert J1 not in fake_server.finished


@pytest.mark.parametrize("how", ["drop", "log"])
def test_a_job_that_lost_its_lease_is_stopped_and_not_reported(
    worker, fake_server, tmp_path: Path, how: str
) -> None:
    pid_file = tmp_path / "pid"
    fake_server.give(work(J1, f"echo $$ > {pid_file}; while :; do echo tick; sleep 0.05; done"))
    worker.wait(lambda: len(fake_server.logs[J1]) > 10, "output")
    pid = int(pid_file.read_text())
    fake_server.lost.add(J1)

    if how == "drop":
        fake_server.drop(J1)
    worker.wait(lambda: not is_alive(pid), "the job's end")
    worker.wait(lambda: not worker.files("spool"), "its spool's removal")

    assert J1 not in fake_server.finished


def test_the_end_is_told_until_the_server_has_heard_it(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.faults["finish"] += ["before", "after", "before", "after"]

    fake_server.give(work(J1, "echo once"))

    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED

    worker.wait(lambda: not worker.files("spool"), "an acknowledged end")
    assert bytes(fake_server.logs[J1]) == b"once\n"
    assert fake_server.calls["finish"] >= 3


# The server goes away


def test_a_server_that_was_away_is_found_within_five_seconds(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    for _ in range(2):
        fake_server.stop()
        time_away = random.uniform(0.5, 4)
        let_pass(time_away)
        polls = len(fake_server.polls)
        fake_server.start()
        back_at = time.monotonic()
        worker.wait(lambda polls=polls: len(fake_server.polls) > polls, "a poll")
        # 5 s, and what a loaded machine adds; other calls wait up to 30 s.
        assert time.monotonic() - back_at < 15


def test_a_job_goes_on_without_its_server_and_all_of_it_arrives_later(
    worker, fake_server, tmp_path: Path
) -> None:
    done = tmp_path / "done"
    fake_server.give(
        work(J1, f"for i in $(seq 300); do echo line $i; sleep 0.005; done; touch {done}")
    )
    worker.wait(lambda: len(fake_server.logs[J1]) > 0, "the first output")
    fake_server.stop()
    worker.wait(done.exists, "the job's end without a server")

    fake_server.start()

    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
    assert bytes(fake_server.logs[J1]) == b"".join(
        b"line %d\n" % number for number in range(1, 301)
    )


def test_a_big_log_is_byte_equal_after_twenty_disconnects(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.faults["log"] += ["", "after", "before"] * 7
    fake_server.faults["finish"] += ["after", "before"]

    fake_server.give(work(J1, "seq -f '%099.0f' 200000"))

    assert worker.wait_for_finish(J1, timeout=60) == JobState.SUCCEEDED
    expected = "".join(f"{number:099d}\n" for number in range(1, 200_001)).encode()
    assert hashlib.sha256(fake_server.logs[J1]).digest() == hashlib.sha256(expected).digest()


# Two workers


def test_a_second_worker_on_the_same_folder_refuses(worker: RunningWorker) -> None:
    ended = run_worker(worker.folder)

    assert ended.returncode == 5
    assert "another worker is running" in ended.stderr
    assert "Traceback" not in ended.stderr


# Stopping


def test_a_draining_worker_ends_its_jobs_takes_no_more_and_exits_well(
    worker, fake_server, tmp_path: Path
) -> None:
    go_on = tmp_path / "go-on"
    fake_server.give(work(J1, f"while ! test -e {go_on}; do sleep 0.01; done; echo ended"))
    worker.wait(lambda: fake_server.starts and fake_server.polls[-1].jobs, "the job")

    worker.signal(signal.SIGTERM)
    worker.wait(lambda: fake_server.polls[-1].is_draining, "a draining poll")

    assert fake_server.polls[-1].free_slots == 0

    go_on.touch()
    assert worker.wait_for_end() == 0
    assert fake_server.finished[J1].state == JobState.SUCCEEDED
    assert bytes(fake_server.logs[J1]) == b"ended\n"


def test_a_second_signal_cancels_what_still_runs(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.give(work(J1, "sleep 60"))
    worker.wait(lambda: fake_server.starts and fake_server.polls[-1].jobs, "the job")
    worker.signal(signal.SIGTERM)
    worker.wait(lambda: fake_server.polls[-1].is_draining, "a draining poll")

    worker.signal(signal.SIGTERM)

    assert worker.wait_for_end() == 0
    assert fake_server.finished[J1].state == JobState.CANCELLED


def test_an_idle_worker_ends_at_once_and_says_farewell(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    began_at = time.monotonic()

    worker.signal(signal.SIGTERM)

    assert worker.wait_for_end() == 0
    assert time.monotonic() - began_at < 3
    assert fake_server.polls[-1].is_draining


def test_a_worker_without_a_server_ends_when_told(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.stop()

    worker.signal(signal.SIGTERM)

    assert worker.wait_for_end() == 0


# A server that answers, but cannot


def test_a_report_that_the_server_cannot_take_is_not_repeated_at_every_poll(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.refusals["finish"] = Refusal(503, "unavailable", "this is a copy")
    fake_server.give(work(J1, ":"))
    worker.wait(lambda: fake_server.calls["finish"], "the first report")
    began_at = time.monotonic()

    for _ in range(60):
        polls = len(fake_server.polls)
        fake_server.cancel("nobody")
        worker.wait(lambda polls=polls: len(fake_server.polls) > polls, "an answered poll")

    assert fake_server.calls["finish"] < 20 + 2 * (time.monotonic() - began_at)
    del fake_server.refusals["finish"]
    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
