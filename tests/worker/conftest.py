"""What the tests of the worker share."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.worker import ssh_scripts
from opsicle.worker.identity import WorkerDataFolder
from opsicle.worker.private_files import private_folder
from opsicle.worker.runtimes.containers import ContainerRuntime
from opsicle.worker.runtimes.ssh import SshRuntime
from opsicle.worker.runtimes.subprocess import SubprocessRuntime
from opsicle.worker.runtimes.table import Runtimes
from tests.podman import Podman
from tests.ssh_servers import SshServer, ssh_server
from tests.worker.fake_server import FakeServer
from tests.worker.job_runs import Machine
from tests.worker.running_worker import RunningWorker


@pytest.fixture(scope="session", autouse=True)
def end_all_when_terminated() -> Iterator[None]:
    """Let SIGTERM end the tests as Ctrl-C does.

    With the fixtures' ends, so that no worker and no job is left.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "workspaces")


@pytest.fixture
def fake_server(tmp_path: Path) -> Iterator[FakeServer]:
    fake_server = FakeServer(tmp_path)
    fake_server.start()
    yield fake_server
    fake_server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[WorkerDataFolder]:
    folder = WorkerDataFolder.open(tmp_path / "worker")
    yield folder
    folder.close()


@pytest.fixture
def worker(tmp_path: Path, fake_server: FakeServer) -> Iterator[RunningWorker]:
    running_worker = RunningWorker(tmp_path, fake_server)
    running_worker.start()
    yield running_worker
    running_worker.close()


@pytest.fixture(scope="session")
def own_podman() -> Iterator[Podman]:
    podman = Podman()
    yield podman
    podman.close()


@pytest.fixture
def podman(own_podman: Podman, monkeypatch: pytest.MonkeyPatch) -> Iterator[Podman]:
    for name, value in own_podman.environment.items():
        monkeypatch.setenv(name, value)
    yield own_podman
    assert own_podman.containers() == [], "a container was left"


@pytest.fixture
def host(machine: Machine, podman: Podman) -> Machine:
    """Return a machine that runs containers, too."""
    machine.runtimes = Runtimes(
        (SubprocessRuntime(machine.environment), ContainerRuntime("podman"))
    )
    assert machine.runtimes.kinds == ("subprocess", "container")
    return machine


@pytest.fixture
def silent_registry() -> Iterator[str]:
    """Return the name of an image that a registry has which never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}/never/answers:1"


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """Run an sshd of the tests' own, which is a target of theirs."""
    with ssh_server(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def ssh_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Return a machine that runs jobs on targets; see at the end that it keeps nothing private."""
    monkeypatch.setattr(ssh_scripts, "_LAST_SECONDS", 1)
    machine = Machine(tmp_path / "workspaces")
    machine.runtimes = Runtimes((SshRuntime(),))
    machine.private_folder = private_folder(machine.root)
    yield machine
    assert not list(machine.private_folder.iterdir())
    machine.private_folder.rmdir()
