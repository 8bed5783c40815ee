"""What of a machine phases in containers see, and what they do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.templates import VolumeMount
from opsicle.wire.jobs import Outcome
from opsicle.worker.runtimes.containers import ContainerRuntime
from opsicle.worker.runtimes.subprocess import SubprocessRuntime
from opsicle.worker.runtimes.table import Runtimes
from tests.worker.container_phases import in_container
from tests.worker.job_runs import Machine, phase


def mounting(
    machine: Machine, host_path: str, *, container: str = "/seen", before: str = "true"
) -> Outcome:
    return machine.run(
        phase(before, name="before"),
        in_container("ls /seen; echo new > /seen/new", name="box"),
        volume_mounts=(VolumeMount(host_path, container),),
    )


def test_a_folder_of_the_workspace_is_mounted_and_made_where_it_is_absent(host: Machine) -> None:
    outcome = host.run(
        in_container("echo one > /seen/file", user="1000"),
        in_container("cat /seen/file deep/er/file", name="second"),
        volume_mounts=(VolumeMount("./deep/er", "/seen"),),
    )

    assert outcome.state is JobState.SUCCEEDED, host.log.stderr
    assert host.log.stdout == b"one\none\n"


@pytest.mark.parametrize(
    ("host_path", "before"),
    [
        ("/etc", "true"),
        ("../..", "true"),
        ("sub/../../..", "mkdir sub"),
        ("./link", "ln -s /etc link"),
        ("./a/b", "ln -s / a; true"),
        ("./loop", "ln -s loop loop"),
    ],
)
def test_what_lies_outside_of_the_workspace_is_not_mounted(
    host: Machine, host_path: str, before: str
) -> None:
    outcome = mounting(host, host_path, before=before)

    assert outcome.phases[1].state == "failed"
    assert f"the volume mount '{host_path}'" in outcome.phases[1].explanation
    assert host.log.of(phase=1) == b""


def test_a_worker_shows_what_it_was_started_to_show_and_nothing_that_a_link_in_it_leads_to(
    host: Machine, tmp_path: Path
) -> None:
    shown = tmp_path / "with, comma"
    (shown / "sub").mkdir(parents=True)
    (shown / "sub/content").touch()
    (shown / "link").symlink_to("/etc")
    host.runtimes = Runtimes(
        (SubprocessRuntime(host.environment), ContainerRuntime("podman", [shown]))
    )

    assert mounting(host, str(shown / "sub")).state is JobState.SUCCEEDED
    refused = mounting(host, str(shown / "link"))
    absent = mounting(host, str(shown / "absent"))

    assert (shown / "sub/new").read_text() == "new\n"
    assert "which leads to '/etc'" in refused.explanation + refused.phases[1].explanation
    assert "is not there on the worker" in absent.phases[1].explanation
