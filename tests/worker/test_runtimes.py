"""Runner and worker with a second runtime: they use the protocol alone, and several at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.templates import Phase, When
from opsicle.wire.jobs import Work
from opsicle.worker.runtimes.subprocess import SubprocessRuntime
from opsicle.worker.runtimes.table import Runtimes
from tests.support import wait_until
from tests.worker.fake_server import J1, FakeServer, work
from tests.worker.folder_runtime import FolderRuntime, groups, is_group_alive
from tests.worker.job_runs import Machine, in_background, is_alive, phase
from tests.worker.running_worker import RunningWorker, lines

PROGRAM = (sys.executable, "-m", "tests.worker.folder_runtime")


@pytest.fixture
def records(tmp_path: Path) -> Path:
    folder = tmp_path / "records"
    folder.mkdir()
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    folder.mkdir()
    return folder


@pytest.fixture
def both(machine: Machine, records: Path) -> Machine:
    """Return a machine that runs phases with an image, too."""
    machine.runtimes = Runtimes((SubprocessRuntime(machine.environment), FolderRuntime(records)))
    return machine


@pytest.fixture
def worker(tmp_path: Path, fake_server: FakeServer, records: Path) -> Iterator[RunningWorker]:
    running_worker = RunningWorker(tmp_path, fake_server)
    running_worker.command = (*PROGRAM, str(running_worker.folder), str(records))
    running_worker.start()
    yield running_worker
    running_worker.close()


def with_image(job: Work, image: Path, *more: Phase) -> Work:
    """Return the same job, with its phase in an image."""
    in_container = msgspec.structs.replace(job.phases[0], image=str(image))
    return msgspec.structs.replace(job, phases=(in_container, *more))


# What the runner does


def test_each_phase_runs_by_its_own_runtime_with_that_ones_environment(
    both: Machine, image: Path
) -> None:
    outcome = both.run(
        phase('echo "$OPSICLE_PHASE at home: $(pwd)"', name="plain"),
        phase(
            'echo "in $IMAGE: $(pwd) ${HOME-homeless} ${OPSICLE_JOB_ID-unmarked}"',
            name="in_container",
            image=str(image),
        ),
        phase("exit 7", name="last", image=str(image)),
        job_id="job-1",
    )

    assert both.log.of(phase=0) == f"plain at home: {both.root / 'job-1'}\n".encode()
    assert both.log.of(phase=1) == f"in {image}: {image} homeless unmarked\n".encode()
    assert (outcome.state, outcome.exit_code) == (JobState.FAILED, 7)


def test_why_a_runtime_cannot_start_a_phase_is_the_phases_explanation(
    both: Machine, tmp_path: Path
) -> None:
    outcome = both.run(phase("true", image=str(tmp_path / "absent")))

    assert (outcome.phases[0].exit_code, outcome.phases[0].explanation) == (
        125,
        "there is no image absent",
    )


def test_a_cancel_ends_what_runs_in_every_runtime_of_the_job(
    both: Machine, image: Path, records: Path
) -> None:
    thread, outcomes = in_background(
        both,
        phase("sleep 100 & echo $!", name="plain"),
        phase("sleep 100", name="in_container", image=str(image)),
    )
    wait_until(lambda: both.log.stdout and list(records.iterdir()), 60, "the second phase")
    (group,) = groups(next(records.iterdir()))
    assert is_group_alive(group)
    both.cancellation.cancel()
    thread.join(60)

    assert outcomes[0].state is JobState.CANCELLED
    assert not is_group_alive(group)
    assert not is_alive(int(both.log.of(phase=0)))
    assert list(records.iterdir()) == []


def test_what_a_phase_leaves_running_is_ended_by_the_runtime_that_started_it(
    both: Machine, image: Path, records: Path
) -> None:
    outcome = both.run(phase("sleep 100 & echo $!", image=str(image)), phase("true", name="plain"))

    assert outcome.state is JobState.SUCCEEDED
    assert not is_alive(int(both.log.stdout))
    assert list(records.iterdir()) == []


def test_a_worker_of_containers_alone_says_which_phase_it_cannot_run(
    machine: Machine, records: Path, image: Path
) -> None:
    machine.runtimes = Runtimes([FolderRuntime(records)])

    outcome = machine.run(
        phase("true", name="in_container", image=str(image)), phase("true", name="plain")
    )

    assert outcome.state is JobState.FAILED
    assert (
        outcome.explanation
        == "phase plain has no image, and this worker runs nothing but containers"
    )
    assert machine.children == []


# What the worker does


def test_a_worker_announces_every_kind_of_runtime_that_is_available(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    assert fake_server.polls[-1].runtimes == ("subprocess", "container")
    assert '"runtimes":["subprocess","folders"]' in worker.log.read_text().replace(" ", "")


def test_a_worker_does_not_announce_what_is_not_available_and_logs_why(
    tmp_path: Path, fake_server: FakeServer
) -> None:
    worker = RunningWorker(tmp_path, fake_server)
    worker.command = (*PROGRAM, str(worker.folder), str(tmp_path / "nowhere"))
    worker.start()
    worker.close()

    assert {poll.runtimes for poll in fake_server.polls} == {("subprocess",)}
    (line,) = [
        line for line in worker.log.read_text().splitlines() if "a runtime is not available" in line
    ]
    assert "folders" in line
    assert f"there is no folder {tmp_path}/nowhere" in line


def test_a_job_in_the_second_runtime_goes_its_usual_way(
    worker: RunningWorker, fake_server: FakeServer, image: Path
) -> None:
    fake_server.give(with_image(work(J1, "pwd"), image))

    assert worker.wait_for_finish(J1) == JobState.SUCCEEDED
    assert bytes(fake_server.logs[J1]) == f"{image}\n".encode()


def test_what_an_earlier_life_left_running_is_swept_by_its_own_runtime_before_clean_up(
    worker: RunningWorker, fake_server: FakeServer, image: Path, records: Path, tmp_path: Path
) -> None:
    judge = tmp_path / "judge"
    look = phase(f"ls {records} | wc -l >> {judge}", name="tidy", when=When.ALWAYS)
    fake_server.give(with_image(work(J1, "echo begun; sleep 100"), image, look))
    worker.wait(lambda: bytes(fake_server.logs[J1]) == b"begun\n", "the job's output")
    (group,) = groups(records / J1)

    worker.kill()
    assert is_group_alive(group)
    worker.start()

    assert worker.wait_for_finish(J1) == JobState.UNKNOWN
    assert not is_group_alive(group)
    assert lines(judge) == ["0"]


def test_a_worker_that_must_end_at_once_leaves_nothing_running_in_any_runtime(
    worker: RunningWorker, fake_server: FakeServer, image: Path, records: Path
) -> None:
    fake_server.give(with_image(work(J1, "echo begun; trap '' TERM; sleep 100"), image))
    worker.wait(lambda: bytes(fake_server.logs[J1]) == b"begun\n", "the job's output")
    (group,) = groups(records / J1)

    fake_server.is_revoked = True
    fake_server.answer_polls()
    worker.wait_for_end()

    assert not is_group_alive(group)
    assert list(records.iterdir()) == []
