"""Workers with containers: their deaths, other users, and docker."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.templates import Pull
from opsicle.wire.jobs import outputs_of
from opsicle.worker.runtimes.containers import ContainerRuntime
from opsicle.worker.runtimes.table import Runtimes
from tests.podman import Podman
from tests.support import require, wait_until
from tests.worker.container_phases import (
    arguments_of_all,
    in_container,
    with_image,
)
from tests.worker.fake_server import J1, J2, J9, FakeServer, work
from tests.worker.job_runs import Machine, in_background
from tests.worker.running_worker import RunningWorker


@pytest.fixture
def worker(tmp_path: Path, fake_server: FakeServer, podman: Podman) -> Iterator[RunningWorker]:
    running_worker = RunningWorker(tmp_path, fake_server)
    running_worker.start()
    yield running_worker
    running_worker.close()


# A worker's death


def test_a_container_of_an_earlier_life_is_swept_by_the_next(
    worker: RunningWorker, fake_server: FakeServer, podman: Podman
) -> None:
    # Without a mark of its job, by which the subprocess runtime would find it on this machine.
    fake_server.give(with_image(work(J1, "trap '' TERM; echo begun; exec env -i sleep 300")))
    worker.wait(lambda: bytes(fake_server.logs[J1]) == b"begun\n", "the job's output")

    worker.kill()
    assert podman.containers(f"label=opsicle.job={J1}", "status=running") != []
    worker.start()

    assert worker.wait_for_finish(J1) == JobState.UNKNOWN
    assert podman.containers() == []


def test_who_fetched_an_image_when_the_worker_died_starts_no_container_any_more(
    worker: RunningWorker, fake_server: FakeServer, silent_registry: str
) -> None:
    fake_server.give(with_image(work(J1, "true"), silent_registry))
    # By then it has printed what it prints at first: a pipe that nobody reads would end it.
    worker.wait(lambda: b"Trying to pull" in fake_server.logs[J1], "podman's start")

    worker.kill()
    assert silent_registry.encode() in arguments_of_all()
    worker.start()

    assert worker.wait_for_finish(J1) == JobState.UNKNOWN
    assert silent_registry.encode() not in arguments_of_all()


def test_a_worker_that_must_end_at_once_leaves_no_container(
    worker: RunningWorker, fake_server: FakeServer, podman: Podman
) -> None:
    fake_server.give(with_image(work(J1, "trap '' TERM; echo begun; exec env -i sleep 300")))
    worker.wait(lambda: bytes(fake_server.logs[J1]) == b"begun\n", "the job's output")

    fake_server.is_revoked = True
    fake_server.answer_polls()
    worker.wait_for_end()

    assert podman.containers() == []


# As another user, and by docker


def test_containers_of_another_users_jobs_run_under_that_users_number(
    podman: Podman, fake_server: FakeServer
) -> None:
    with tempfile.TemporaryDirectory(prefix="opsicle-run-as-") as name:
        Path(name).chmod(0o711)
        running_worker = RunningWorker(Path(name), fake_server, options=("--run-as", "nobody"))
        running_worker.start()
        try:
            fake_server.give(
                with_image(
                    work(
                        J1,
                        "id -u; echo mine > file; stat -c %u:%a .",
                        "echo out=$(id -u) > $OPSICLE_OUTPUT",
                        "echo seen >/dev/stdout",
                    ),
                    outputs=("out",),
                )
            )
            assert running_worker.wait_for_finish(J1) == JobState.SUCCEEDED
            fake_server.give(with_image(work(J2, "id -u"), user="0"))
            assert running_worker.wait_for_finish(J2) == JobState.FAILED
        finally:
            running_worker.close()

    assert bytes(fake_server.logs[J1]) == b"65534\n65534:700\nseen\n"
    assert outputs_of(fake_server.finished[J1].phases) == {"out": "65534"}
    assert (
        fake_server.finished[J2].phases[0].explanation
        == "`user` cannot be chosen here: this worker runs the job as nobody"
    )


@pytest.fixture
def docker(podman: Podman, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let docker's own program speak with podman, which serves docker's API."""
    require(
        shutil.which("docker") is not None,
        "docker's program: apt-get install docker-cli, or docker.io before Debian 13",
    )
    address = f"unix://{tmp_path}/docker.sock"
    with subprocess.Popen(["podman", "system", "service", "--time", "0", address]) as service:
        try:
            monkeypatch.setenv("DOCKER_HOST", address)
            wait_until(
                lambda: "podman's" in ContainerRuntime("docker").unavailable_reason(), 60, "the API"
            )
            yield
        finally:
            service.kill()
            podman.end_monitors()


def test_docker_is_not_used_where_it_would_hide_how_a_container_ended(docker: None) -> None:
    # Podman 4.3's service does: `docker run --rm … sh -c "exit 7"` ends with 0.
    assert "hides how a container ended" in ContainerRuntime("docker").unavailable_reason()


class AnyDocker(ContainerRuntime):
    """Docker's program, whoever answers it; all but exit codes is as with docker's own service."""

    def unavailable_reason(self) -> str:
        return ""


def test_docker_shows_a_phase_what_podman_does(
    machine: Machine, docker: None, podman: Podman
) -> None:
    machine.runtimes = Runtimes((AnyDocker("docker"),))

    machine.run(
        in_container(
            'id -u; ls /sys/class/net; echo "$V"; echo wrong >&2',
            name="quiet",
            user="1000",
            env={"V": "a\nb"},
        ),
        in_container("echo here", name="here", pull=Pull.NEVER),
    )

    assert machine.log.stdout == b"1000\nlo\na\nb\nhere\n"
    assert machine.log.stderr == b"wrong\n"


def test_docker_ends_and_removes_a_container_at_a_cancel(
    machine: Machine, docker: None, podman: Podman
) -> None:
    machine.runtimes = Runtimes((AnyDocker("docker"),))
    thread, outcomes = in_background(
        machine,
        in_container("trap '' TERM; echo begun; while :; do sleep 1; done"),
        grace_seconds=1,
    )
    wait_until(lambda: machine.log.stdout, 60, "its output")
    machine.cancellation.cancel()
    thread.join(60)

    assert outcomes[0].state is JobState.CANCELLED
    assert podman.containers() == []


def test_a_worker_keeps_no_dead_processes_of_containers(
    worker: RunningWorker, fake_server: FakeServer
) -> None:
    for job_id in (J1, J2, J9):
        fake_server.give(with_image(work(job_id, "true")))
        assert worker.wait_for_finish(job_id) == JobState.SUCCEEDED

    assert worker.process is not None
    children = Path(f"/proc/{worker.process.pid}/task/{worker.process.pid}/children")
    # The last one's monitor may end a moment after its container: then the next job collects it.
    assert len(children.read_text().split()) <= 1
