"""A worker that is killed, and what its next run says of its jobs."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

from opsicle.domain.automations import JobState
from opsicle.wire.jobs import StepState
from tests.worker.fake_listener import Refusal
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.job_runs import is_alive
from tests.worker.running_worker import RunningWorker, let_pass, lines


def test_a_worker_that_was_killed_says_unknown_of_its_jobs_with_all_they_said(
    worker, fake_server, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    fake_server.give(work(J1, f"echo $$ > {pid_file}; echo first; echo second; sleep 60", fence=9))
    worker.wait(lambda: fake_server.phases.get(J1) and bytes(fake_server.logs[J1]), "output")
    worker.kill()

    worker.start()

    assert worker.wait_for_finish(J1, timeout=60) == JobState.UNKNOWN
    outcome = fake_server.finished[J1]
    assert outcome.phases[0].state == StepState.UNKNOWN
    assert "worker ended" in outcome.explanation
    assert bytes(fake_server.logs[J1]) == b"first\nsecond\n"
    assert not is_alive(int(pid_file.read_text()))

    worker.wait(
        lambda: not worker.files("spool") and not worker.files("workspaces"), "a tidy data folder"
    )


def test_a_killed_worker_delivers_output_that_the_server_never_saw(
    worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    fake_server.refusals["log"] = Refusal(503, "unavailable", "disk full")
    fake_server.give(work(J1, f"seq 20000; touch {said}; sleep 60"))
    worker.wait(said.exists, "output")
    size = len("".join(f"{number}\n" for number in range(1, 20_001)))
    worker.wait(lambda: _spooled(worker) > size, "output in the spool")
    worker.kill()
    del fake_server.refusals["log"]

    worker.start()

    assert worker.wait_for_finish(J1, timeout=60) == JobState.UNKNOWN
    assert (
        bytes(fake_server.logs[J1])
        == "".join(f"{number}\n" for number in range(1, 20_001)).encode()
    )


def test_a_shell_that_waits_at_a_boundary_for_a_killed_worker_ends_in_its_next_life(
    worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    begun, stopped, full, killed, over = (tmp_path / name for name in "abcde")
    first = [
        f"echo $$ >{begun}.new; mv {begun}.new {begun}",
        f"until [ -e {stopped} ]; do sleep 0.05; done",
        f"dd if=/dev/zero bs=4096 count=2000 oflag=nonblock || : >{full}",
        f"until [ -e {killed} ]; do sleep 0.05; done",
    ]
    fake_server.give(work(J1, "; ".join(first), f": >{over}; sleep 60"))
    worker.wait(begun.exists, "the shell")
    worker.signal(signal.SIGSTOP)
    stopped.touch()
    worker.wait(full.exists, "a full pipe")
    worker.kill()
    killed.touch()

    worker.start()

    assert worker.wait_for_finish(J1) == JobState.UNKNOWN
    assert not is_alive(int(begun.read_text()))
    assert not over.exists()


def test_a_worker_killed_before_it_could_tell_an_end_tells_it_in_its_next_life(
    worker, fake_server
) -> None:
    fake_server.refusals["finish"] = Refusal(503, "unavailable", "away")
    fake_server.give(work(J1, "echo done; exit 3"))
    worker.wait(lambda: fake_server.calls["finish"], "the first attempt to tell")
    worker.kill()
    del fake_server.refusals["finish"]

    worker.start()

    assert worker.wait_for_finish(J1) == JobState.FAILED
    assert fake_server.finished[J1].exit_code == 3
    assert bytes(fake_server.logs[J1]) == b"done\n"


def test_a_job_of_an_earlier_life_keeps_its_lease_until_it_is_reported(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    fake_server.refusals["finish"] = Refusal(503, "unavailable", "away")
    fake_server.give(work(J1, "sleep 60"))
    worker.wait(lambda: fake_server.starts and fake_server.polls[-1].jobs, "the job")
    first_boot = fake_server.polls[-1].boot_id
    worker.kill()

    worker.start()

    assert fake_server.polls[-1].boot_id != first_boot
    assert [job.job_id for job in fake_server.polls[-1].jobs] == [J1]

    del fake_server.refusals["finish"]
    worker.wait_for_finish(J1, timeout=60)
    worker.wait(lambda: not fake_server.polls[-1].jobs, "a poll without it")


def test_random_kills_run_nothing_twice_and_end_everything(
    worker: RunningWorker, fake_server: FakeServer, tmp_path: Path
) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    source = random.Random(seed)
    judge = tmp_path / "judge"
    jobs = [f"r{number}-{os.getpid()}" for number in range(12)]

    for round_number in range(4):
        fake_server.give(
            *(
                work(job, f"echo {job} >> {judge}; sleep 0.2")
                for job in jobs[round_number * 3 :][:3]
            )
        )
        let_pass(source.uniform(0, 0.4))
        worker.kill()
        worker.start()
    worker.wait(lambda: not fake_server.polls[-1].jobs, "a worker that holds nothing", timeout=60)

    executed = lines(judge)
    assert len(executed) == len(set(executed)), "a job was executed twice"
    assert set(executed) <= set(fake_server.finished), "a job was executed and never reported"


def _spooled(worker: RunningWorker) -> int:
    return sum(path.stat().st_size for path in (worker.folder / "spool").iterdir())
