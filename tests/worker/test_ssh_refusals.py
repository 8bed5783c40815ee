"""What keeps a job from running on its target, and what is said of it then."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.templates import Retries
from opsicle.wire.jobs import StepState
from opsicle.worker.runtimes.ssh import SshRuntime
from opsicle.worker.runtimes.table import Runtimes
from tests.ssh_servers import SshServer, ssh_server
from tests.worker.job_runs import Machine, phase


def test_a_host_that_shows_another_key_is_left_alone(
    ssh_machine: Machine, sshd: SshServer, tmp_path: Path
) -> None:
    other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO1p2gVx0tLBzpL2vDMHHwTnrQnmoUvzqDN8VWHzhVxS"

    outcome = ssh_machine.run(phase(f"touch {tmp_path}/x"), target=sshd.target(host_keys=(other,)))

    assert outcome.state is JobState.FAILED
    assert "shows another host key than its target names, so nothing was run" in outcome.explanation
    assert not (tmp_path / "x").exists()


def test_each_try_may_find_a_way_in(ssh_machine: Machine, sshd: SshServer, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

        outcome = ssh_machine.run(
            phase("true", retries=Retries(limit=1, delay=0)), target=sshd.target(port=port)
        )

    report = outcome.phases[0]
    assert (report.state, report.tries) == (StepState.FAILED, 2)
    assert f"web1 (127.0.0.1, port {port}) cannot be reached: " in report.explanation
    assert "Connection refused" in report.failed_tries[0].explanation


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("other", "refused the login"),
        ("no key\n", "the private key for web1"),
    ],
)
def test_who_is_not_let_in_is_told_so(
    ssh_machine: Machine, sshd: SshServer, tmp_path: Path, key: str, said: str
) -> None:
    if key == "other":
        key = sshd.make_key("other").read_text()

    outcome = ssh_machine.run(phase("true"), target=sshd.target(key=key))

    assert outcome.state is JobState.FAILED
    assert said in outcome.explanation


@pytest.mark.parametrize("words", ["not available", "rc: line 3: Permission denied"])
def test_a_login_that_runs_nothing_is_told_of(
    ssh_machine: Machine, tmp_path: Path, words: str
) -> None:
    with ssh_server(tmp_path / "sshd", f"ForceCommand echo {words} >&2; exit 1") as server:
        outcome = ssh_machine.run(phase("true"), target=server.target())

    assert f"let us in, but its shell ran nothing: {words}" in outcome.explanation


def test_a_worker_without_the_program_says_so(
    ssh_machine: Machine, sshd: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ssh_machine.runtimes = Runtimes((SshRuntime(),))

    outcome = ssh_machine.run(phase("true"), target=sshd.target())

    assert ssh_machine.runtimes.unavailable == {"ssh": "there is no program `ssh`"}
    assert "runs on the target web1, and this worker has no program `ssh`" in outcome.explanation


@pytest.mark.parametrize(
    "unfit",
    [
        {"commands": ("echo x > $OPSICLE_MASK",)},
    ],
)
def test_what_cannot_be_done_on_a_target_is_refused_before_anything_runs(
    ssh_machine: Machine, sshd: SshServer, tmp_path: Path, unfit: dict[str, object]
) -> None:
    last = msgspec.structs.replace(phase("true", name="last"), **unfit)

    outcome = ssh_machine.run(phase(f"touch {tmp_path}/x"), last, target=sshd.target())

    assert outcome.state is JobState.FAILED
    assert "phase last " in outcome.explanation
    assert not (tmp_path / "x").exists()
