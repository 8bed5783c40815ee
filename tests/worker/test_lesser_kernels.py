"""Under a kernel that refuses what it prefers, a worker goes on by other means and says so."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import wait_until
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.job_runs import is_alive
from tests.worker.running_worker import RunningWorker, lines


@pytest.fixture(params=[("subreaper",), ("pidfd",), ("subreaper", "pidfd")], ids="+".join)
def running_worker(
    request: pytest.FixtureRequest, tmp_path: Path, fake_server: FakeServer
) -> Iterator[RunningWorker]:
    running_worker = RunningWorker(tmp_path, fake_server)
    running_worker.prefix = (
        sys.executable,
        str(Path(__file__).with_name("refused_calls.py")),
        *request.param,
        "--",
    )
    running_worker.start()
    yield running_worker
    running_worker.close()


def test_jobs_run_and_end_as_ever(running_worker: RunningWorker, fake_server: FakeServer) -> None:
    jobs = [work(f"{J1}-{number}", "echo one", f"exit {number}") for number in range(4)]

    fake_server.give(*jobs)

    states = [running_worker.wait_for_finish(job.job_id) for job in jobs]
    assert states == ["succeeded", "failed", "failed", "failed"]
    assert [fake_server.finished[job.job_id].exit_code for job in jobs] == [0, 1, 2, 3]
    assert {bytes(fake_server.logs[job.job_id]) for job in jobs} == {b"one\n"}

    if "subreaper" in running_worker.prefix:
        assert running_worker.log.read_text().count("no sub-reaper") == 1


def test_a_tree_that_does_all_to_get_away_is_ended(
    running_worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    stay = f'trap "" TERM; echo \\$\\$ >>{pids}; while :; do sleep 1; done'
    fake_server.give(
        work(J1, f'(setsid sh -c "{stay}" &) ; (env -i setsid sh -c "{stay}" &) ; sleep 600')
    )
    running_worker.wait(lambda: len(lines(pids)) == 2, "two who got away")

    fake_server.cancel(J1)

    assert running_worker.wait_for_finish(J1, 40) == "cancelled"
    wait_until(lambda: not [pid for pid in lines(pids) if is_alive(int(pid))], 60, "nobody alive")


def test_it_ends_when_it_is_told_to(running_worker: RunningWorker) -> None:
    running_worker.signal(signal.SIGTERM)
    assert running_worker.wait_for_end() == 0
