"""Carrying out a job: phases in order, what they see, what is reported."""

from __future__ import annotations

import errno
import itertools
import json
import os
import sys
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.templates import When
from opsicle.wire.jobs import STDERR, STDOUT, StepState
from opsicle.worker import attempt
from opsicle.worker.runner import Runner
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtimes.known import known_runtimes
from opsicle.worker.runtimes.subprocess import base_environment
from opsicle.worker.runtimes.table import Runtimes
from tests.worker.job_runs import Machine, phase


def states(outcome) -> list[str]:
    return [str(report.state) for report in outcome.phases]


def test_phases_run_in_order_in_one_workspace_that_is_gone_afterwards(machine: Machine) -> None:
    outcome = machine.run(
        phase("pwd", "echo kept > note"),
        phase('test "$OPSICLE_WORKSPACE" = "$PWD"', "cat note", name="read"),
    )

    assert outcome.state is JobState.SUCCEEDED
    assert outcome.exit_code == 0
    folder, note = machine.log.stdout.decode().splitlines()
    assert Path(folder).parent == machine.root
    assert note == "kept"
    assert list(machine.root.iterdir()) == []


def test_the_workspace_is_the_workers_alone(machine: Machine) -> None:
    machine.run(phase("stat -c %a ."))
    assert machine.log.stdout == b"700\n"


def test_the_first_command_that_fails_ends_the_phase_and_the_job(machine: Machine) -> None:
    outcome = machine.run(phase("echo one", "exit 3", "echo two"), phase("echo three", name="next"))

    assert outcome.state is JobState.FAILED
    assert outcome.exit_code == 3
    assert "exit code 3" in outcome.explanation
    assert states(outcome) == ["failed", "skipped"]
    assert machine.log.stdout == b"one\n"


def test_each_command_has_its_times_exit_code_and_place_in_the_log(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(100, 10)  # a clock that goes on at each look, and at nothing else
    monkeypatch.setattr(attempt, "now_ms", lambda: next(ticks))

    outcome = machine.run(phase("echo first", "[ -f absent ] && rm absent", "exit 4", "echo no"))

    first, second, third, fourth = outcome.phases[0].commands
    assert [command.exit_code for command in (first, second, third, fourth)] == [0, 1, 4, None]
    assert [str(command.state) for command in (first, second, third, fourth)] == [
        "succeeded",
        "succeeded",  # it did not end the phase: `set -e` does not mind a condition
        "failed",
        "skipped",
    ]
    assert first.log_offset == 0
    assert second.log_offset == third.log_offset == len("first\n")
    times = [(command.started_at_ms, command.finished_at_ms) for command in (first, second, third)]
    assert times == [(100, 110), (120, 130), (140, 150)]
    assert not fourth.started_at_ms
    assert not fourth.finished_at_ms


def test_progress_is_told_when_a_command_ends_not_only_at_the_end(machine: Machine) -> None:
    machine.run(phase("true", "true", "true"))

    assert machine.log.states[0] == "work=running"
    assert machine.log.states[-1] == "work=succeeded"
    assert 3 <= len(machine.log.states) <= 4


def test_commands_whose_boundaries_cannot_be_told_apart_still_run_and_are_not_reported(
    machine: Machine,
) -> None:
    outcome = machine.run(phase("if true; then", "echo yes", "fi"))

    assert outcome.state is JobState.SUCCEEDED
    assert outcome.phases[0].commands == []
    assert machine.log.stdout == b"yes\n"


def test_stdout_and_stderr_stay_apart(machine: Machine) -> None:
    machine.run(phase("echo out; echo err >&2"))
    assert (machine.log.of(0, STDOUT), machine.log.of(0, STDERR)) == (b"out\n", b"err\n")


def test_a_phase_sees_exactly_the_promised_environment(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the worker's own")
    job_id = f"job-{os.getpid()}"
    program = "import json, os; print(json.dumps(dict(os.environ)))"

    machine.run(
        phase(program, shell=sys.executable, env={"MODE": "fast", "OPSICLE_JOB_ID": "forged"}),
        environment={"OPSICLE_VAR_SERVICE": "nginx; rm -rf /"},
        job_id=job_id,
    )

    seen = json.loads(machine.log.stdout)
    seen.pop("LC_CTYPE", None)  # python's own
    assert seen.pop("OPSICLE_WORKSPACE") == str(machine.root / job_id)
    assert seen.pop("OPSICLE_OUTPUT").startswith(str(machine.root / job_id))
    assert seen.pop("OPSICLE_SUMMARY").startswith(str(machine.root / job_id))
    assert seen.pop("OPSICLE_MASK").endswith(f"/{job_id}.mask")
    assert seen == machine.environment | {
        "OPSICLE_VAR_SERVICE": "nginx; rm -rf /",
        "MODE": "fast",
        "OPSICLE_AUTOMATION_ID": f"automation-{job_id}",
        "OPSICLE_JOB_ID": job_id,
        "OPSICLE_TEMPLATE": "t",
        "OPSICLE_PHASE": "work",
        "OPSICLE_REQUESTER": "alice",
    }


def test_of_the_workers_environment_only_four_variables_are_handed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "Europe/Amsterdam")

    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")

    assert set(base_environment()) == {"PATH", "HOME", "LANG", "TZ"}


def test_a_value_is_data_in_any_language_and_never_in_argv(machine: Machine) -> None:
    machine.run(
        phase('printf "%s" "$OPSICLE_VAR_X"; tr "\\0" " " < /proc/$$/cmdline'),
        environment={"OPSICLE_VAR_X": "ü$(id)`'\"\n"},
    )

    value, _, argv = machine.log.stdout.decode().partition("/bin/sh")
    assert value == "ü$(id)`'\"\n"
    assert "ü" not in argv


def test_nothing_is_on_stdin(machine: Machine) -> None:
    assert machine.run(phase("cat; echo end")).state is JobState.SUCCEEDED
    assert machine.log.stdout == b"end\n"


def test_no_file_of_the_worker_is_open_in_a_command(machine: Machine) -> None:
    machine.run(phase("true", "ls /proc/self/fd"))  # 3 is the listing itself
    assert machine.log.stdout.split() == [b"0", b"1", b"2", b"3"]


def test_after_a_failure_only_clean_up_phases_run_and_the_job_stays_failed(
    machine: Machine,
) -> None:
    outcome = machine.run(
        phase("exit 5", name="a"),
        phase("echo no", name="b"),
        phase("echo rollback", name="c", when=When.FAILURE),
        phase("echo tidy; exit 6", name="d", when=When.ALWAYS),
        phase("echo last", name="e", when=When.ALWAYS),
    )

    assert states(outcome) == ["failed", "skipped", "succeeded", "failed", "succeeded"]
    assert (outcome.state, outcome.exit_code) == (JobState.FAILED, 5)
    assert machine.log.stdout == b"rollback\ntidy\nlast\n"


def test_a_failed_clean_up_fails_a_job_that_went_well(machine: Machine) -> None:
    outcome = machine.run(
        phase("true"),
        phase("echo no", when=When.FAILURE, name="f"),
        phase("exit 6", when=When.ALWAYS, name="tidy"),
    )

    assert states(outcome) == ["succeeded", "skipped", "failed"]
    assert (outcome.state, outcome.exit_code) == (JobState.FAILED, 6)


def test_an_image_is_refused_before_anything_starts(machine: Machine) -> None:
    outcome = machine.run(
        phase("touch /nowhere"), phase("true", name="in_container", image="alpine:latest")
    )

    assert outcome.state is JobState.FAILED
    assert "in_container" in outcome.explanation
    assert "no containers" in outcome.explanation
    assert states(outcome) == ["skipped", "skipped"]
    assert machine.children == []


@pytest.mark.parametrize(
    ("more", "exit_code", "words"),
    [
        ({"shell": "/bin/no-such-shell"}, 127, "/bin/no-such-shell was not found"),
        ({"shell": "/etc/passwd"}, 126, "may not execute"),
        ({"working_directory": "absent"}, 126, "no folder 'absent'"),
        ({"working_directory": "../.."}, 126, "not within the workspace"),
        ({"working_directory": "/etc"}, 126, "not within the workspace"),
        ({"env": {"X": "a\0b"}}, 126, "NUL"),
        ({"env": {"X": "a" * 200_000}}, 126, "larger than this system"),
    ],
)
def test_what_cannot_start_fails_the_phase_with_the_reason(
    machine: Machine, more: dict[str, object], exit_code: int, words: str
) -> None:
    outcome = machine.run(
        phase("true", "true", **more), phase("echo tidied", when=When.ALWAYS, name="tidy")
    )

    assert outcome.state is JobState.FAILED
    assert outcome.exit_code == exit_code
    assert words in outcome.explanation
    assert all(command.state is StepState.SKIPPED for command in outcome.phases[0].commands)
    assert machine.log.stdout == b"tidied\n"


def test_a_working_directory_may_be_made_by_an_earlier_phase_but_not_lead_out(
    machine: Machine,
) -> None:
    outcome = machine.run(
        phase("mkdir -p sub/er", "ln -s /etc out", "ln -s sub/er in"),
        phase("pwd", working_directory="sub/er", name="sub"),
        phase("pwd -P", working_directory="in", name="in"),
        phase("cat passwd", working_directory="out", name="out"),
    )

    assert states(outcome) == ["succeeded", "succeeded", "succeeded", "failed"]
    assert machine.log.stdout.count(b"/sub/er\n") == 2
    assert "not within" in outcome.explanation


def test_a_script_larger_than_an_argument_can_be_runs_all_the_same(machine: Machine) -> None:
    outcome = machine.run(phase(f": '{'x' * 300_000}'", "echo done", "exit 3"))

    assert (outcome.exit_code, machine.log.stdout) == (3, b"done\n")
    assert [command.exit_code for command in outcome.phases[0].commands] == [0, 0, 3]


def test_another_interpreter_gets_the_commands_as_its_program(machine: Machine) -> None:
    outcome = machine.run(
        phase("x = 20", "print(x + 1)", "raise SystemExit(3)", shell=sys.executable)
    )

    assert (outcome.exit_code, machine.log.stdout) == (3, b"21\n")
    assert outcome.phases[0].commands == []


def test_death_by_a_signal_is_told(machine: Machine) -> None:
    outcome = machine.run(phase("kill -9 $$"))

    assert outcome.exit_code == 137
    assert "SIGKILL" in outcome.explanation


def test_an_unusable_workspace_root_fails_the_job_and_says_why(machine: Machine) -> None:
    machine.root.write_text("a file")

    outcome = machine.run(phase("true"))

    assert outcome.state is JobState.FAILED
    assert "workspace could not be made" in outcome.explanation
    assert str(machine.root) not in outcome.explanation


def test_a_job_id_cannot_lead_out_of_the_workspace_root(machine: Machine) -> None:
    outcome = machine.run(phase("true"), job_id="../../etc")

    assert outcome.state is JobState.FAILED
    assert states(outcome) == ["skipped"]


def test_a_full_disk_below_the_journal_ends_the_job_and_its_processes(machine: Machine) -> None:
    def on_child(pid: int, instance: str) -> None:
        machine.children.append((pid, instance))
        raise OSError(errno.ENOSPC, "No space left on device")

    machine.on_child = on_child
    outcome = machine.run(phase("sleep 100"))
    assert outcome.state is JobState.FAILED
    assert "No space left" in outcome.explanation
    assert states(outcome) == ["failed"]
    assert not Path(f"/proc/{machine.children[0][0]}").exists()


def test_a_defect_in_the_sink_is_raised_but_leaves_no_process(machine: Machine) -> None:
    def on_child(pid: int, instance: str) -> None:
        machine.children.append((pid, instance))
        raise RuntimeError("a defect")

    machine.on_child = on_child
    with pytest.raises(RuntimeError, match="a defect"):
        machine.run(phase("sleep 100"))
    assert not Path(f"/proc/{machine.children[0][0]}").exists()
    assert list(machine.root.iterdir()) == []


def test_no_file_descriptor_is_left_open(machine: Machine) -> None:
    machine.run(phase("true", "true"))
    before = sorted(Path("/proc/self/fd").iterdir())

    machine.run(
        phase("true", "sleep 0.1 & exit 3"), phase("true", shell="/absent", when=When.ALWAYS)
    )

    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_cancel_before_the_start_runs_nothing_at_all(machine: Machine) -> None:
    machine.cancellation.cancel()

    outcome = machine.run(phase("echo no"), phase("echo no", when=When.ALWAYS, name="tidy"))

    assert outcome.state is JobState.CANCELLED
    assert states(outcome) == ["skipped", "skipped"]
    assert machine.log.everything == b""


def test_a_runner_needs_nothing_but_a_folder(machine: Machine) -> None:
    work = machine.work(phase('test -n "$PATH" && test -n "$HOME" && test -n "$LANG"'))

    host = RunnerHost(workspace_root=machine.root, runtimes=Runtimes(known_runtimes()))

    assert Runner(work, machine.log, host, machine.cancellation).run().exit_code == 0


# A workspace that its own job removes


def test_after_a_phase_that_removes_its_workspace_the_next_starts_in_a_new_one(
    machine: Machine,
) -> None:
    outcome = machine.run(
        phase("touch old", "cd /", 'rm -rf "$OPSICLE_WORKSPACE"', name="remove"),
        phase("ls -A", "pwd", "echo x > new", name="next"),
        phase("cat new", name="last", when=When.ALWAYS),
    )

    assert outcome.state is JobState.SUCCEEDED, outcome.explanation
    # No file of the old one, then its path.
    assert machine.log.of(1, STDOUT).startswith(os.fsencode(machine.root))
    assert machine.log.of(2, STDOUT) == b"x\n"
    assert list(machine.root.iterdir()) == []


def test_a_workspace_that_is_removed_while_commands_run_in_it_is_their_own_affair(
    machine: Machine,
) -> None:
    outcome = machine.run(
        phase('rm -rf "$OPSICLE_WORKSPACE"', "echo gone", "exit 3"), phase("pwd", when=When.ALWAYS)
    )

    assert (outcome.state, outcome.exit_code) == (JobState.FAILED, 3)
    assert states(outcome) == ["failed", "succeeded"]


@pytest.mark.parametrize("instead", ["touch", "ln -s /etc"])
def test_what_stands_in_the_workspaces_place_is_not_run_in(machine: Machine, instead: str) -> None:
    remove = f'cd / && rm -rf "$OPSICLE_WORKSPACE" && {instead} "$OPSICLE_WORKSPACE"'

    outcome = machine.run(phase(remove, name="first"), phase("pwd", name="second"))

    assert outcome.state is JobState.FAILED
    assert outcome.explanation.startswith("phase second: the workspace is no folder any more")
    assert machine.log.stdout == b""
    assert list(machine.root.iterdir()) == []
