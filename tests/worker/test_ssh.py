"""What jobs on a target do, over a real sshd: as here, and until when."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.files import InputFile
from opsicle.domain.templates import Phase, Retries, When
from opsicle.wire.jobs import Outcome, StepState, outputs_of, summary_of
from opsicle.worker import ssh_scripts
from opsicle.worker.artifact_spool import ArtifactSpool
from opsicle.worker.input_files import receive, staging_folder
from opsicle.worker.private_files import remove_stale_files
from opsicle.worker.process_tree import kill_orphans
from tests.ssh_servers import SshServer, ssh_server
from tests.support import require, wait_until
from tests.worker.job_runs import (
    Machine,
    in_background,
    is_alive,
    number_twice,
    phase,
    printed_twice,
    under_headings,
)

VALUE = "a\n\nb 'c' \"d\" $(touch /x) `e` \\ ü"


@contextmanager
def during(ssh_machine: Machine, *phases: Phase, **more: Any) -> Iterator[list[Outcome]]:
    """Run a job beside the test, and wait for its outcome. Cancel it if the test fails."""
    thread, outcomes = in_background(ssh_machine, *phases, **more)
    try:
        yield outcomes
    except BaseException:
        ssh_machine.cancellation.cancel()
        raise
    finally:
        thread.join(120)


def _left(job_id: str) -> list[Path]:
    return [
        path for folder in ("/tmp", "/dev/shm") for path in Path(folder).glob(f"opsicle-{job_id}-*")
    ]


def _runs(*arguments: str) -> bool:
    """Whether anybody runs just this command."""
    line = "".join(f"{argument}\0" for argument in arguments)
    commands = Path("/proc").glob("[0-9]*/cmdline")
    return any(command.read_text(errors="replace") == line for command in commands)


# As here


def test_a_phase_sees_what_it_is_promised_in_a_folder_of_its_own(
    ssh_machine: Machine, sshd: SshServer
) -> None:
    job_id = f"j-{os.getpid()}-env"

    outcome = ssh_machine.run(
        phase("env > all", name="one"),
        phase('stat -c "%a %n" "$PWD"; printf "%s|\n" "$OPSICLE_VAR_X"', "cat all", name="two"),
        environment={"OPSICLE_VAR_X": VALUE},
        target=sshd.target(),
        job_id=job_id,
    )

    text = ssh_machine.log.of(1).decode()
    folder = text.partition("\n")[0].removeprefix("700 ")
    assert outcome.state is JobState.SUCCEEDED
    assert folder.startswith(f"/tmp/opsicle-{job_id}-")
    assert f"{VALUE}|" in text
    names = {line.partition("=")[0] for line in text.splitlines() if line[:1].isupper()}
    assert names == {
        *("HOME", "LANG", "PATH", "PWD"),
        *("OPSICLE_AUTOMATION_ID", "OPSICLE_JOB_ID", "OPSICLE_OUTPUT", "OPSICLE_PHASE"),
        *("OPSICLE_REQUESTER", "OPSICLE_SUMMARY", "OPSICLE_TARGET", "OPSICLE_TEMPLATE"),
        *("OPSICLE_VAR_X", "OPSICLE_WORKSPACE"),
    } | ({"TZ"} if "TZ" in names else set())
    assert f"OPSICLE_WORKSPACE={folder}" in text
    assert "OPSICLE_TARGET=web1" in text
    assert not _left(job_id)
    assert not list(ssh_machine.root.iterdir())


def test_commands_outputs_and_summary_come_back_as_from_here(
    ssh_machine: Machine, sshd: SshServer
) -> None:
    outcome = ssh_machine.run(
        phase(
            "echo first >&2",
            "false || echo size=12 >> $OPSICLE_OUTPUT; echo '**ok**' > $OPSICLE_SUMMARY",
            "printf '%s' \"$-\"",
            name="make",
            outputs=("size",),
        ),
        phase("test $OPSICLE_OUTPUT_SIZE = 12", "exit 255", "echo never", name="use"),
        phase("echo always", *number_twice(100), name="after", when=When.ALWAYS),
        target=sshd.target(),
    )

    assert outcome.state is JobState.FAILED
    assert outcome.exit_code == 255
    assert outputs_of(outcome.phases) == {"size": "12"}
    assert summary_of(outcome.phases) == "**ok**"
    assert [command.exit_code for command in outcome.phases[0].commands] == [0, 0, 0]
    assert [command.state for command in outcome.phases[1].commands] == [
        StepState.SUCCEEDED,
        StepState.FAILED,
        StepState.SKIPPED,
    ]
    assert ssh_machine.log.of(0, 2) == b"first\n"
    assert b"e" in ssh_machine.log.of(0, 1)
    assert under_headings(ssh_machine.log, outcome, 2) == [b"always\n", *printed_twice(100)]


def test_files_are_carried_over_before_the_first_phase(
    ssh_machine: Machine, sshd: SshServer
) -> None:
    content = os.urandom(300_000)
    digest = hashlib.sha256(content).hexdigest()
    file = InputFile(variable="r", position=0, name="it's -é.csv", size=len(content), sha256=digest)
    ssh_machine.root.mkdir(exist_ok=True)
    receive([file], staging_folder(ssh_machine.root, "j-file"), lambda _file, at: content[at:])

    outcome = ssh_machine.run(
        phase('sha256sum < "$OPSICLE_VAR_R"', name="one"),
        phase('sha256sum < "$OPSICLE_VAR_R"; stat -c %a%U "$OPSICLE_VAR_R"', name="two"),
        files=(file,),
        target=sshd.target(),
        job_id="j-file",
    )

    assert outcome.state is JobState.SUCCEEDED, outcome
    shown = f"{digest}  -\n"
    assert ssh_machine.log.stdout.decode() == f"{shown}{shown}600{sshd.user}\n"


def test_a_phase_may_have_variables_of_any_name(ssh_machine: Machine, sshd: SshServer) -> None:
    environment = {"base": "1", "code": "2", "PATH": "/nowhere", "last": "3", "IFS": "/"}

    outcome = ssh_machine.run(
        phase('echo "$base$code$last$PATH"', env=environment, shell="/bin/sh"),
        target=sshd.target(),
    )

    assert outcome.state is JobState.SUCCEEDED, outcome
    assert ssh_machine.log.stdout == b"123/nowhere\n"


def test_secrets_come_by_no_argument_and_are_masked_whatever_the_target_prints(
    ssh_machine: Machine, sshd: SshServer
) -> None:
    secret = "hunter-22-very-secret"
    target = sshd.target()

    outcome = ssh_machine.run(
        phase(
            'test "$(cat "$OPSICLE_SECRET_FILE_DB")" = "$OPSICLE_SECRET_DB"',
            'stat -L -c %a "$OPSICLE_SECRET_FILE_DB"',
            "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c very-secre[t] || true",
            'echo "value=$OPSICLE_SECRET_DB" | tee "$OPSICLE_OUTPUT"',
            f"head -n 3 {sshd.folder}/key",
            secrets=("db",),
            outputs=("value",),
        ),
        secret_values={"db": secret},
        target=target,
    )

    assert outcome.state is JobState.SUCCEEDED
    lines = ssh_machine.log.stdout.split(b"\n")
    assert lines[:3] == [b"600", b"0", b"value=***"]
    assert outputs_of(outcome.phases) == {"value": "***"}
    assert not any(line in ssh_machine.log.everything.decode() for line in target.key.split()[4:-4])


def test_hostile_files_for_outputs_harm_nobody(ssh_machine: Machine, sshd: SshServer) -> None:
    always = {"when": When.ALWAYS}

    outcome = ssh_machine.run(
        phase("ln -sf /etc/hostname $OPSICLE_OUTPUT", name="link"),
        phase("rm $OPSICLE_OUTPUT; mkfifo $OPSICLE_OUTPUT", name="pipe", **always),
        phase("head -c 3000000 /dev/zero | tr '\\0' x > $OPSICLE_OUTPUT", name="much", **always),
        phase("rm $OPSICLE_OUTPUT $OPSICLE_SUMMARY", name="none", **always),
        target=sshd.target(),
    )

    no_file, much = "OPSICLE_OUTPUT is no file any more", "OPSICLE_OUTPUT holds more than 1024 KiB"
    said = [report.explanation.partition(";")[0] for report in outcome.phases]
    assert said == [no_file, no_file, much, ""]
    assert outputs_of(outcome.phases) == {}


def test_much_output_comes_whole(ssh_machine: Machine, sshd: SshServer) -> None:
    size = 1_000_000

    ssh_machine.run(
        phase(f"head -c {size} /dev/zero & head -c {size} /dev/zero >&2; wait"),
        target=sshd.target(),
    )

    assert (len(ssh_machine.log.stdout), len(ssh_machine.log.stderr)) == (size, size)


@pytest.mark.parametrize("shell", ["/bin/bash", "/usr/bin/fish"])
def test_any_login_shell_will_do_with_what_it_prints_by_itself(
    ssh_machine: Machine, tmp_path: Path, shell: str
) -> None:
    require(Path(shell).exists(), f"the shell {shell}")
    forced = f'ForceCommand echo Welcome; echo motd >&2; exec {shell} -c "$SSH_ORIGINAL_COMMAND"'

    with ssh_server(tmp_path / "sshd", f"Banner /etc/hostname\nMaxSessions 1\n{forced}") as server:
        outcome = ssh_machine.run(
            phase("echo a=1 > $OPSICLE_OUTPUT", "exit 3", outputs=("a",)), target=server.target()
        )

    assert outcome.exit_code == 3
    assert outputs_of(outcome.phases) == {"a": "1"}
    assert [command.exit_code for command in outcome.phases[0].commands] == [0, 3]


# Ending


@pytest.mark.parametrize("way", ["cancelled", "cut off", "worker killed"])
def test_what_runs_there_ends_with_its_job(
    ssh_machine: Machine, sshd: SshServer, tmp_path: Path, way: str
) -> None:
    pids = tmp_path / "pids"
    stubborn = "trap '' TERM; (trap '' TERM; sleep 3 & wait; exec sleep 300) & echo $! >> {0}"
    commands = (
        stubborn.format(pids),
        f"(setsid sh -c 'echo $$ >> {pids}; exec sleep 300' >/dev/null 2>&1 &)",
        f"echo $$ >> {pids}; sleep 300",
    )
    more = {"target": sshd.target(), "job_id": f"j-{os.getpid()}-{way[:3]}"}
    asked = phase(*commands, timeout=300, retries=Retries(limit=3, delay=0))

    if way == "worker killed":
        worker = _start_worker(ssh_machine, sshd, more["job_id"], commands)
        wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 3)
        worker.kill()
        worker.wait()
    else:
        with during(ssh_machine, asked, **more) as outcomes:
            wait_until(lambda: pids.exists() and len(pids.read_text().split()) == 3)
            if way == "cancelled":
                ssh_machine.cancellation.cancel()
            elif way == "cut off":
                sshd.kill_sessions()
        outcome = outcomes[0]
        assert outcome.state == {"cut off": "unknown"}.get(way, way)
        assert outcome.phases[0].tries == 1

    left = [int(pid) for pid in pids.read_text().split()]
    wait_until(lambda: not any(map(is_alive, left)))
    wait_until(lambda: not _left(more["job_id"]))
    if way == "worker killed":  # what its next life does
        kill_orphans(more["job_id"], grace_seconds=0)
        remove_stale_files(ssh_machine.private_folder)


def _start_worker(
    ssh_machine: Machine, sshd: SshServer, job_id: str, commands: tuple[str, ...]
) -> subprocess.Popen[bytes]:
    """Run a job in another process, which can be killed."""
    code = (
        "import sys, msgspec, pathlib\n"
        "from opsicle.wire.jobs import TargetAccess\n"
        "from opsicle.worker.private_files import private_folder\n"
        "from opsicle.worker.runtimes.ssh import SshRuntime\n"
        "from opsicle.worker.runtimes.table import Runtimes\n"
        "from tests.worker.job_runs import Machine, phase\n"
        "from opsicle.worker import ssh_scripts\n"
        "ssh_scripts._LAST_SECONDS = 1\n"
        "root, job_id, target, *commands = sys.argv[1:]\n"
        "machine = Machine(pathlib.Path(root))\n"
        "machine.runtimes = Runtimes((SshRuntime(),))\n"
        "machine.private_folder = private_folder(machine.root)\n"
        "target = msgspec.json.decode(target, type=TargetAccess)\n"
        "machine.run(phase(*commands), target=target, job_id=job_id)\n"
    )
    target = msgspec.json.encode(sshd.target()).decode()
    return subprocess.Popen(
        [sys.executable, "-c", code, str(ssh_machine.root), job_id, target, *commands]
    )


def test_a_phase_that_was_cut_off_is_not_known_to_have_failed(
    ssh_machine: Machine, sshd: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keeper of the lost connection ends what that one had, and nothing of a later phase."""
    monkeypatch.setattr(ssh_scripts, "_LAST_SECONDS", 5)
    ssh_machine.artifacts = ArtifactSpool(tmp_path / "artifacts", "job")
    began, tidying = tmp_path / "began", tmp_path / "tidying"
    slow_to_end = f"""
        trap 'until [ -e {tidying} ]; do sleep 0.1; done' TERM
        touch {began}
        sleep 300
    """
    until_alone = "while set -- /tmp/opsicle-$OPSICLE_JOB_ID-*; [ $# -gt 1 ]; do sleep 0.1; done"

    with during(
        ssh_machine,
        phase(slow_to_end, retries=Retries(limit=3, delay=0), name="long", artifacts=("*",)),
        phase("echo failure", name="undo", when=When.FAILURE),
        phase(f"touch {tidying}", until_alone, "echo always", name="tidy", when=When.ALWAYS),
        target=sshd.target(),
    ) as outcomes:
        wait_until(began.exists)
        sshd.kill_sessions()

    outcome = outcomes[0]
    assert outcome.state is JobState.UNKNOWN
    assert "connection to web1 was lost while it ran" in outcome.explanation
    assert [report.state for report in outcome.phases] == ["unknown", "pending", "succeeded"], (
        outcome
    )
    assert ssh_machine.log.stdout == b"always\n"
    assert b"there is no connection to web1 any more" in ssh_machine.log.of(0)


def test_what_a_daemon_holds_open_holds_up_no_phase(ssh_machine: Machine, sshd: SshServer) -> None:
    outcome = ssh_machine.run(
        phase(
            "setsid sh -c 'touch apart; exec sleep 300' & echo $!",
            "until [ -e apart ]; do sleep 0.1; done; sleep 300 & echo $!",
            timeout=120,
        ),
        target=sshd.target(),
    )

    daemon, child = map(int, ssh_machine.log.stdout.split())
    assert outcome.state is JobState.SUCCEEDED
    assert is_alive(daemon)
    os.kill(daemon, signal.SIGKILL)
    assert not is_alive(child)
    assert b"what a daemon prints is lost" in ssh_machine.log.stderr


def test_a_daemon_that_ends_in_time_holds_up_its_phase_no_longer(
    ssh_machine: Machine, sshd: SshServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opsicle.worker.ssh_scripts._LAST_SECONDS", 997)

    outcome = ssh_machine.run(
        phase(
            "setsid sh -c 'touch apart; sleep 0.3; echo done' &",
            "until [ -e apart ]; do sleep 0.1; done",
            timeout=90,
        ),
        target=sshd.target(),
    )

    assert outcome.state is JobState.SUCCEEDED
    assert ssh_machine.log.stdout == b"done\n"
    assert not ssh_machine.log.stderr
    wait_until(lambda: not _runs("sleep", "997"), 60, "the end of what would have waited")
