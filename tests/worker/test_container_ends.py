"""How phases in containers end, by a real podman."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.templates import Pull, ResourceLimits, Retries
from opsicle.worker import engine_calls, process
from opsicle.worker.child_ids import children_of_main_thread
from opsicle.worker.container_options import JOB_LABEL
from opsicle.worker.container_script import TERM_ALL
from opsicle.worker.container_stop import ContainersStop, RunningContainer
from opsicle.worker.runtimes.containers import ContainerRuntime
from tests.podman import Podman
from tests.support import wait_until
from tests.worker.container_phases import (
    IMAGE,
    OUTLIVES_ITS_SHELL,
    arguments_of_all,
    in_container,
    write_slow_podman,
)
from tests.worker.job_runs import Machine, in_background, phase


@pytest.mark.parametrize(
    ("command", "code", "explanation"),
    [
        ("exit 7", 7, ""),
        ("kill -9 $$", 137, "ended by SIGKILL"),
        ("kill -TERM $$", 143, "ended by SIGTERM"),
        ("nosuch", 127, ""),
    ],
)
def test_exit_codes_and_signals_are_those_of_the_phases_shell(
    host: Machine, command: str, code: int, explanation: str
) -> None:
    outcome = host.run(in_container(command))

    assert outcome.state is JobState.FAILED
    assert (outcome.phases[0].exit_code, outcome.phases[0].explanation) == (code, explanation)


def test_both_streams_come_whole_and_apart(host: Machine) -> None:
    host.run(in_container("seq 1 300000; echo wrong >&2; echo again >/dev/stderr"))

    assert host.log.stdout == b"".join(b"%d\n" % i for i in range(1, 300_001))
    assert host.log.stderr == b"wrong\nagain\n"


def test_what_a_phase_leaves_running_ends_with_it(host: Machine) -> None:
    outcome = host.run(in_container("setsid sleep 300 & echo begun"), phase("true", name="plain"))

    assert outcome.state is JobState.SUCCEEDED
    assert host.log.stdout == b"begun\n"


@pytest.mark.parametrize(
    ("command", "limits", "code", "said"),
    [
        ("tail /dev/zero", ResourceLimits(memory_mib=20), 137, "as by the memory limit of 20 MiB"),
        ("while :; do :; done", ResourceLimits(cpu_seconds=1), 152, "limit of 1 s of CPU"),
        ("dd if=/dev/zero of=x bs=1M count=2", ResourceLimits(file_mib=1), 153, "limit of 1 MiB"),
        ("for i in 1 2 3 4 5 6 7 8 9; do sleep 9 & done; wait", ResourceLimits(processes=5), 2, ""),
    ],
)
def test_a_phase_uses_no_more_than_it_may_and_says_what_it_hit(
    host: Machine, command: str, limits: ResourceLimits, code: int, said: str
) -> None:
    outcome = host.run(in_container(command, limits=limits))

    assert outcome.state is JobState.FAILED
    assert outcome.phases[0].exit_code == code
    assert said in outcome.phases[0].explanation


def test_an_image_without_the_program_nice_does_not_run_a_phase_that_is_to_be_nice(
    host: Machine,
) -> None:
    limits = ResourceLimits(memory_mib=50, processes=9, nice=3)
    outcome = host.run(in_container("echo ran", limits=limits))

    assert (outcome.state, outcome.phases[0].exit_code) == (JobState.FAILED, 127)
    assert host.log.everything.splitlines() == [
        b"opsicle: limits: 50 MiB of memory by podman; 9 processes by podman; nice 3",
        b"opsicle: the image has no program nice, by which limits.nice is kept",
    ]


def test_a_cancel_reaches_all_in_the_container_and_what_ignores_it_is_killed(
    host: Machine,
) -> None:
    thread, outcomes = in_background(
        host,
        in_container(
            "(trap 'echo heard; exit 0' TERM; echo begun; while :; do sleep 1; done) &",
            "trap '' TERM; while :; do sleep 1; done",
        ),
        grace_seconds=6,
    )
    wait_until(lambda: b"begun" in host.log.stdout, 60, "its output")
    host.cancellation.cancel()
    thread.join(60)

    assert outcomes[0].state is JobState.CANCELLED
    assert host.log.stdout == b"begun\nheard\n"
    assert outcomes[0].phases[0].explanation == "cancelled"


def test_what_outlives_its_shell_at_a_cancel_has_its_grace_even_if_somebody_has_paused_it(
    host: Machine, podman: Podman
) -> None:
    thread, _ = in_background(host, in_container(OUTLIVES_ITS_SHELL), grace_seconds=60)
    wait_until(lambda: b"begun" in host.log.stdout, 60, "its output")
    podman("pause", *podman.containers())
    host.cancellation.cancel()
    thread.join(90)

    assert host.log.stdout == b"begun\ntidied\n"


def test_a_paused_container_of_an_earlier_life_has_its_grace_too(
    podman: Podman, tmp_path: Path
) -> None:
    command = "trap 'sleep 1; echo tidied >/seen/it; exit' TERM; while :; do sleep 0.1; done"
    options = ["--detach", "--label", f"{JOB_LABEL}=job-8", "--volume", f"{tmp_path}:/seen"]
    name = podman("run", *options, IMAGE, "/bin/sh", "-c", command).strip()
    podman("pause", name)

    assert ContainerRuntime("podman").sweep("job-8", None, grace_seconds=60) == 0

    assert (tmp_path / "it").read_text() == "tidied\n"
    assert podman.containers() == []


def test_a_cancel_right_after_the_start_loses_neither_the_grace_nor_the_container(
    host: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "podman"
    slow.parent.mkdir()
    write_slow_podman(slow, str(shutil.which("podman")))
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")

    thread, outcomes = in_background(host, in_container(OUTLIVES_ITS_SHELL), grace_seconds=60)
    wait_until(lambda: b"begun" in host.log.stdout, 60, "its output")
    host.cancellation.cancel()
    thread.join(90)

    assert host.log.stdout == b"begun\ntidied\n"
    assert outcomes[0].state is JobState.CANCELLED
    assert (tmp_path / "once").exists()


def test_what_outlives_its_shell_has_its_grace_however_late_the_engine_hands_its_own_term_on(
    host: Machine, podman: Podman
) -> None:
    thread, _ = in_background(host, in_container(OUTLIVES_ITS_SHELL))
    wait_until(lambda: b"begun" in host.log.stdout, 60, "its output")
    [name] = podman.containers()

    assert engine_calls.call("podman", "exec", name, *TERM_ALL).exit_code in {0, 143}
    thread.join(60)

    assert host.log.stdout == b"begun\ntidied\n"


def test_who_fetches_an_image_for_a_job_ends_with_it_also_if_no_journal_names_it(
    podman: Podman, silent_registry: str
) -> None:
    label = f"{JOB_LABEL}=job-9"
    with subprocess.Popen(["podman", "run", "--label", label, silent_registry]) as fetching:
        try:
            wait_until(lambda: f"\0{label}\0".encode() in arguments_of_all(), 60, "its start")
            assert ContainerRuntime("podman").sweep("job-9", None, grace_seconds=0) == 0

            assert fetching.wait(60) == -signal.SIGKILL
        finally:
            fetching.kill()


def test_a_phase_that_takes_too_long_is_ended_also_while_its_image_is_fetched(
    host: Machine, silent_registry: str
) -> None:
    outcome = host.run(in_container("true", image=silent_registry, timeout=1))

    assert outcome.state is JobState.TIMED_OUT


def test_pull_never_asks_nobody_for_an_image(host: Machine, silent_registry: str) -> None:
    outcome = host.run(
        in_container("echo here", pull=Pull.NEVER),
        in_container("true", name="absent", image=silent_registry, pull=Pull.NEVER),
    )

    assert host.log.stdout == b"here\n"
    assert outcome.phases[1].exit_code == 125
    assert outcome.phases[1].explanation == (
        f"the image {silent_registry} is not on the worker, "
        "and `pull: never` keeps it from being fetched"
    )


def test_a_container_is_labelled_with_job_and_fence(host: Machine, podman: Podman) -> None:
    thread, _ = in_background(host, in_container("echo begun; sleep 300"), job_id="job-7")
    wait_until(lambda: host.log.stdout, 60, "its output")
    labelled = podman.containers("label=opsicle.job=job-7", "label=opsicle.fence=1")
    host.cancellation.cancel()
    thread.join(60)

    assert labelled == ["opsicle-job-7-0-1"]


def test_a_phase_that_is_tried_again_has_a_container_of_its_own_each_time(
    host: Machine,
) -> None:
    outcome = host.run(
        in_container(
            "touch /once 2>/dev/null; ls /twice 2>/dev/null || touch /twice",
            '[ "$(cat tries 2>/dev/null)" = x ] || { echo x > tries; exit 1; }',
            retries=Retries(limit=2, delay=0),
        )
    )

    assert outcome.state is JobState.SUCCEEDED
    assert outcome.phases[0].tries == 2


def test_a_try_whose_engine_is_lost_is_removed_before_the_next_one(
    host: Machine, podman: Podman
) -> None:
    retries = Retries(limit=1, delay=0, retry_on=(137,))
    thread, outcomes = in_background(
        host,
        in_container("mkdir first 2>/dev/null || exit 0; echo begun; sleep 300", retries=retries),
    )
    wait_until(lambda: host.log.stdout == b"begun\n", 60, "the first try")
    [first] = podman.containers()

    os.kill(host.children[0][0], signal.SIGKILL)
    thread.join(120)

    assert outcomes[0].state is JobState.SUCCEEDED
    [failed] = outcomes[0].phases[0].failed_tries
    assert (failed.exit_code, failed.explanation) == (137, "ended by SIGKILL")
    assert first not in podman.containers()


def test_an_image_that_is_not_there_is_asked_for_again_where_that_exit_code_is_named(
    host: Machine,
) -> None:
    outcome = host.run(
        in_container(
            "true",
            image="absent:1",
            pull=Pull.NEVER,
            retries=Retries(limit=1, delay=0, retry_on=(125,)),
        )
    )

    assert (outcome.exit_code, outcome.phases[0].tries) == (125, 2)


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_an_engine_that_does_not_answer_is_given_up_with_all_that_was_started(
    tmp_path: Path,
) -> None:
    stuck = tmp_path / "stuck"
    stuck.write_text("#!/bin/sh\nexec sleep 300\n")
    stuck.chmod(0o755)
    children, files = children_of_main_thread(), open_files()
    client = engine_calls.start(["/bin/sh", "-c", "exit 125"])
    os.close(client.stdout)
    os.close(client.stderr)
    client.wait()

    stop = ContainersStop([RunningContainer(str(stuck), "c", client)], 0, grace_seconds=1)
    assert stop.turn(2) is not None  # it asks them to end, and begins to remove
    assert len(children_of_main_thread() - children) == 2
    assert stop.turn(60) is None

    assert stop.survivors == 1
    assert open_files() == files
    wait_until(
        lambda: process.collect_orphans() is not None and children_of_main_thread() <= children,
        what="the end of its calls",
    )
