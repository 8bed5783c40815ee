"""What phases in containers see, by a real podman, and what they may use."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.files import InputFile
from opsicle.domain.template_parser import parse_document
from opsicle.wire.jobs import outputs_of, summary_of
from opsicle.worker.input_files import receive, staging_folder
from opsicle.worker.private_files import private_folder
from opsicle.worker.runtimes.containers import ContainerRuntime
from tests.podman import Podman
from tests.support import require, wait_until
from tests.worker.container_phases import arguments_of_all, holding, in_container
from tests.worker.job_runs import (
    Machine,
    in_background,
    number_twice,
    phase,
    printed_twice,
    under_headings,
)

SECRET = "line one, secret\nline 'two' $HOME"


# What a phase sees


def test_a_phase_starts_in_the_workspace_which_phases_without_an_image_share(
    host: Machine,
) -> None:
    outcome = host.run(
        phase("echo plain > from-plain; mkdir sub", name="before"),
        in_container(
            "pwd",
            "cat ../from-plain; echo box > made",
            *number_twice(100),
            name="box",
            working_directory="sub",
        ),
        phase("cat sub/made", name="after"),
        job_id="job-1",
    )

    assert outcome.state is JobState.SUCCEEDED
    assert under_headings(host.log, outcome, 1) == [
        f"{host.root}/job-1/sub\n".encode(),
        b"plain\n",
        *printed_twice(100),
    ]
    assert host.log.of(2) == b"box\n"
    assert [command.exit_code for command in outcome.phases[1].commands] == [0] * 102
    assert not list(host.root.iterdir())


def test_values_come_as_they_are_whatever_they_hold(host: Machine) -> None:
    value = "a\n\nb 'c' \"d\" $(touch /x) `e` \\ ü"

    host.run(
        in_container('printf %s "$OPSICLE_VAR_X"; printf "|%s|" "$E"', env={"E": "1\n2"}),
        environment={"OPSICLE_VAR_X": value},
    )

    assert host.log.stdout == f"{value}|1\n2|".encode()


def test_a_phase_reads_the_files_of_its_job_at_the_same_path_whoever_it_runs_as(
    host: Machine,
) -> None:
    content = b"a;b"
    file = InputFile(
        variable="r",
        position=0,
        name="it's -é.csv",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    host.root.mkdir(exist_ok=True)
    receive([file], staging_folder(host.root, "job-1"), lambda _file, at: content[at:])
    show = 'cat "$OPSICLE_VAR_R"; printf "|%s|" "$OPSICLE_VAR_R"'

    host.run(
        in_container(show, name="root"),
        in_container(show, name="other", user="1234"),
        job_id="job-1",
        files=(file,),
    )

    path = f"{host.root}/job-1/.files/r/1/it's -é.csv"
    assert host.log.stdout.decode() == f"a;b|{path}|" * 2


def test_a_phase_sees_nothing_of_the_workers_environment(
    host: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://worker.example")
    monkeypatch.setenv("OF_THE_WORKER", "1")

    host.run(in_container("env | sed 's/=.*//' | sort | tr '\\n' ' '"))

    names = {name for name in host.log.stdout.decode().split() if not name.startswith("OPSICLE_")}
    assert names - {"SHLVL", "PWD", "TZ"} == {"PATH", "HOME", "LANG"}


def test_a_secret_is_masked_and_stands_in_no_argument_and_on_no_disk(
    host: Machine, podman: Podman, tmp_path: Path
) -> None:
    # Neither pytest's folder nor a path with the secret in it: only memory may hold it.
    host.private_folder = private_folder(tmp_path)
    thread, outcomes = in_background(
        host,
        in_container('echo "$OPSICLE_SECRET_PIN"; cat "$OPSICLE_SECRET_FILE_PIN"; sleep 300',
              secrets=("pin",)),
        secret_values={"pin": SECRET},
    )  # fmt: skip
    wait_until(lambda: host.log.stdout.count(b"***") >= 2, 60, "what it prints")
    [name] = podman.containers()

    told = podman("inspect", name).encode() + arguments_of_all()
    stored = [*holding(podman.folder, b"one, secret"), *holding(tmp_path, b"one, secret")]
    records = holding(podman.folder, b".container-0")
    host.cancellation.cancel()
    thread.join(60)

    assert b"one, secret" not in told
    assert stored == []
    assert records != []  # else nobody has looked where podman keeps what it knows of containers
    assert b"secret" not in host.log.everything
    assert outcomes[0].state is JobState.CANCELLED
    assert list(host.private_folder.iterdir()) == []
    host.private_folder.rmdir()


def test_there_is_no_network_unless_the_phase_asks_for_one(host: Machine) -> None:
    host.run(
        in_container("ls /sys/class/net", name="without"),
        in_container("ls /sys/class/net", network=True),
    )

    assert host.log.of(phase=0) == b"lo\n"
    assert b"eth0" in host.log.of(phase=1)


def test_user_and_a_read_only_root_are_as_the_phase_says(host: Machine) -> None:
    outcome = host.run(
        in_container(
            "id -u; id -g",
            'echo kept > mine; echo said > /dev/stdout; echo out=$(id -u) > "$OPSICLE_OUTPUT"; '
            'echo "# Done" > "$OPSICLE_SUMMARY"',
            'cat "$OPSICLE_SECRET_FILE_PIN"; stat -c "%u %a" "$OPSICLE_SECRET_FILE_PIN"',
            "touch /etc/x || echo refused",
            user="1000:2000",
            outputs=("out",),
            read_only=True,
            secrets=("pin",),
        ),
        secret_values={"pin": "hushhush"},
    )

    assert host.log.stdout == b"1000\n2000\nsaid\n***\n1000 600\nrefused\n"
    assert outcome.state is JobState.SUCCEEDED
    assert outputs_of(outcome.phases) == {"out": "1000"}
    assert summary_of(outcome.phases) == "# Done"


# Where there is no engine


def test_why_there_are_no_containers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    assert ContainerRuntime("podman").unavailable_reason() == "there is no program `podman`"


def test_an_engine_that_does_not_work_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "docker"
    broken.write_text("#!/bin/sh\necho 'no daemon' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    assert ContainerRuntime("docker").unavailable_reason() == "`docker` does not work: no daemon"


# The older documents


def upstream(kind: str) -> list[Path]:
    for folder in Path(__file__).parents:
        if (found := folder / "shared/real/opsicle-upstream" / kind).is_dir():
            return sorted(found.glob("*.yaml"))
    require(False, "the older Opsicle's own documents (shared/real/opsicle-upstream)")
    return []


def test_the_older_templates_and_automations_run_unchanged(host: Machine) -> None:
    """With stand-ins, in the image, for the two commands that would ask the internet."""
    documents = [parse_document(path.read_bytes()) for path in upstream("automationTemplate")]
    with_images = [each for each in documents if any(phase.image for phase in each.phases)]
    automations = [parse_document(path.read_bytes()) for path in upstream("automation")]
    assert len(with_images) == 3
    assert len(automations) == 1

    for document in (*with_images, *automations):
        host.log.chunks.clear()
        outcome = host.run(*document.phases, volume_mounts=document.volume_mounts)

        assert outcome.state is JobState.SUCCEEDED, (
            document.name,
            outcome,
            host.log.everything,
        )
        assert host.log.of(phase=3).startswith(b"content of ")
        assert host.log.of(phase=3).endswith(b"done\n")
