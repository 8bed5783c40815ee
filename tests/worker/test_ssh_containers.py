"""Phases with an image on a target, by a real podman that only the target finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.templates import Pull, ResourceLimits, VolumeMount, When
from opsicle.wire.jobs import outputs_of
from tests.podman import Podman
from tests.ssh_servers import SshServer, ssh_server
from tests.support import wait_until
from tests.worker.container_phases import OUTLIVES_ITS_SHELL, in_container, write_slow_podman
from tests.worker.job_runs import (
    Machine,
    in_background,
    number_twice,
    phase,
    printed_twice,
    under_headings,
)

SECRET = "hunter-22-very-secret"


@pytest.fixture
def with_podman(podman: Podman, tmp_path: Path) -> str:
    """Return what makes a login find the tests' own podman, as sshd's configuration says it."""
    program = tmp_path / "bin" / "podman"
    program.parent.mkdir()
    settings = "".join(f"export {name}={value}\n" for name, value in podman.environment.items())
    program.write_text(f'#!/bin/sh\n{settings}exec /usr/bin/podman "$@"\n')
    program.chmod(0o755)
    way = tmp_path / "way"
    way.write_text(
        f'#!/bin/sh\nPATH={program.parent}:$PATH exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    way.chmod(0o755)
    return f"ForceCommand {way}"


def test_a_phase_in_a_container_shares_files_values_and_results(
    ssh_machine: Machine, podman: Podman, with_podman: str, tmp_path: Path
) -> None:
    with ssh_server(tmp_path / "sshd", with_podman) as server:
        outcome = ssh_machine.run(
            phase("mkdir sub; echo from the host > sub/file", name="host"),
            in_container(
                'cat file; test "$(cat "$OPSICLE_SECRET_FILE_DB")" = "$OPSICLE_SECRET_DB"',
                "echo size=12 >> $OPSICLE_OUTPUT; id -u; ls /sys/class/net; ls /shared",
                "cat /proc/[0-9]*/cmdline | grep -c very-secre[t] || true",
                *number_twice(100),
                "echo from the container > ../made; echo $OPSICLE_VAR_X; exit 7",
                name="inside", working_directory="sub", user="1000", secrets=("db",),
                outputs=("size",), limits=ResourceLimits(processes=50, cpu_seconds=30),
                image="docker.io/library/alpine:latest", pull=Pull.NEVER, env={"PATH": "/bin"},
            ),
            phase("cat made; rm -r sub", name="after", when=When.ALWAYS),
            secret_values={"db": SECRET},
            secret_environment={"OPSICLE_SECRET_DB": SECRET},
            environment={"OPSICLE_VAR_X": "a 'b' $(c)"},
            volume_mounts=(VolumeMount(host="./tmp", container="/shared"),),
            target=server.target(),
        )  # fmt: skip

    assert outcome.exit_code == 7, ssh_machine.log.everything
    assert under_headings(ssh_machine.log, outcome, 1) == [
        b"from the host\n",
        b"1000\nlo\n",
        b"0\n",
        *printed_twice(100),
        b"a 'b' $(c)\n",
    ]
    assert outputs_of(outcome.phases) == {"size": "12"}
    assert ssh_machine.log.of(2) == b"from the container\n"
    assert [each.exit_code for each in outcome.phases[1].commands] == [0] * 103 + [7]
    assert podman.containers() == []


HEEDS = "trap 'echo told; exit' TERM; echo begun; while :; do sleep 0.1; done"
HIDES = """exec env -i /bin/sh -c "trap '' TERM; echo begun; while :; do sleep 0.1; done" """


@pytest.mark.parametrize(("way", "command"), [("paused, and cancelled", HEEDS), ("cut off", HIDES)])
def test_a_container_ends_with_its_job(
    ssh_machine: Machine, podman: Podman, with_podman: str, tmp_path: Path, way: str, command: str
) -> None:
    with ssh_server(tmp_path / "sshd", with_podman) as server:
        thread, outcomes = in_background(
            ssh_machine,
            in_container(command, shell="/bin/sh"),
            target=server.target(),
            grace_seconds=60,
        )
        wait_until(lambda: b"begun" in ssh_machine.log.everything, 120)
        [name] = podman.containers()
        if way == "cut off":
            server.kill_sessions()
        else:
            podman("pause", name)
            ssh_machine.cancellation.cancel()
        thread.join(120)
        wait_until(lambda: podman.containers() == [])

    assert outcomes[0].state == {"cut off": JobState.UNKNOWN}.get(way, JobState.CANCELLED)
    if way != "cut off":
        assert b"told" in ssh_machine.log.everything


def test_a_cancel_right_after_the_start_loses_neither_the_grace_nor_the_container(
    ssh_machine: Machine, podman: Podman, with_podman: str, tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "podman"
    write_slow_podman(program, program.rename(tmp_path / "bin" / "real-podman"))

    with ssh_server(tmp_path / "sshd", with_podman) as server:
        thread, outcomes = in_background(
            ssh_machine,
            in_container(OUTLIVES_ITS_SHELL),
            target=server.target(),
            grace_seconds=60,
        )
        wait_until(lambda: b"begun" in ssh_machine.log.stdout, 120, "its output")
        ssh_machine.cancellation.cancel()
        thread.join(120)
        wait_until(lambda: podman.containers() == [])

    assert ssh_machine.log.stdout == b"begun\ntidied\n"
    assert outcomes[0].state is JobState.CANCELLED
    assert (tmp_path / "once").exists()


def test_what_cannot_be_run_in_a_container_there_says_why(
    ssh_machine: Machine, podman: Podman, with_podman: str, tmp_path: Path
) -> None:
    outside = (VolumeMount(host="/srv", container="/srv"),)
    with ssh_server(tmp_path / "sshd", with_podman) as server:
        absent = ssh_machine.run(
            in_container("true", image="no/such:1", pull=Pull.NEVER), target=server.target()
        )
        mounted = ssh_machine.run(
            in_container("true"), volume_mounts=outside, target=server.target()
        )

    assert absent.phases[0].exit_code == 125
    assert b"the image no/such:1 is not on the target" in ssh_machine.log.stderr
    assert "the volume mount `/srv` is not in the workspace" in mounted.explanation


def test_a_volume_leads_nowhere_through_a_link_that_an_earlier_phase_has_left(
    ssh_machine: Machine, podman: Podman, with_podman: str, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o700)

    with ssh_server(tmp_path / "sshd", with_podman) as server:
        outcome = ssh_machine.run(
            phase(f"ln -s {outside} way", name="plant"),
            in_container("touch /shared/x", name="harvest"),
            volume_mounts=(VolumeMount(host="way/in", container="/shared"),),
            target=server.target(),
        )

    assert outcome.phases[1].exit_code == 126
    assert b"the volume mount way/in leads through a link" in ssh_machine.log.stderr
    assert outside.stat().st_mode & 0o777 == 0o700
    assert list(outside.iterdir()) == []


def test_a_target_without_an_engine_says_so(
    ssh_machine: Machine, sshd: SshServer, tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("podman", "docker"):
        (programs / name).write_text("#!/bin/sh\nexit 125\n")
        (programs / name).chmod(0o755)
    way = f'PATH={programs}:$PATH exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'

    with ssh_server(tmp_path / "sshd", f"ForceCommand {way}") as server:
        outcome = ssh_machine.run(in_container("true"), target=server.target())

    assert outcome.phases[0].exit_code == 126
    assert b"neither a podman nor a docker that works on this target" in ssh_machine.log.stderr
