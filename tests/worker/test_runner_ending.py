"""Cancelling, time limits, and what is left running: nothing gets away that should not."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.templates import Retries, When
from opsicle.wire.jobs import Outcome
from opsicle.worker import process
from opsicle.worker.runner import Cancellation, Runner
from opsicle.worker.runner_host import RunnerHost
from opsicle.worker.runtimes.known import known_runtimes
from opsicle.worker.runtimes.protocol import GRACE_SECONDS
from opsicle.worker.runtimes.table import Runtimes
from tests.support import SCALE, wait_until
from tests.worker.job_runs import Log, Machine, is_alive, phase

DELAYS = 15
"""A cancel comes so many milliseconds after the start, one less, and so on."""


class Background:
    """A job that runs while the test does something to it."""

    def __init__(self, machine: Machine, *phases, **more) -> None:
        self.outcome: Outcome | None = None

        def run() -> None:
            self.outcome = machine.run(*phases, **more)

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def end(self, timeout: float = 60) -> Outcome:
        self.thread.join(timeout)
        assert self.outcome is not None, f"the job still ran after {timeout} s"
        return self.outcome


def pids_in(text: bytes) -> list[int]:
    return [int(word) for word in text.split() if word.isdigit()]


NASTY = r"""
import os, signal, sys, time

def stay(label, report):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    with open(report, "a") as file:
        file.write(f"{os.getpid()}\n")
    while True:
        time.sleep(1)

report = sys.argv[1]
if os.fork() == 0:                      # ignores TERM, stays a child
    stay("child", report)
# Forks twice, own session, no stdio, no environment, another name.
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3):
            os.close(fd)
        os.execve(sys.executable, ["kworker/0:1", "-c",
            "import os,signal,time\nfor n in (15,1,2): signal.signal(n, signal.SIG_IGN)\n"
            "open(%r,'a').write(f'{os.getpid()}\\n')\nif os.fork() == 0:\n os.setsid(); "
            "open(%r,'a').write(f'{os.getpid()}\\n')\nwhile True: time.sleep(1)"
            % (report, report)], {})
    os._exit(0)
# Own process group, stopped: hears of nothing.
if os.fork() == 0:
    os.setpgid(0, 0)
    with open(report, "a") as file:
        file.write(f"{os.getpid()}\n")
    os.kill(os.getpid(), signal.SIGSTOP)
    stay("stopped", report)
stay("parent", report)
"""


def test_nothing_of_a_nasty_tree_outlives_the_grace_after_a_cancel(
    machine: Machine, tmp_path: Path
) -> None:
    script, report = tmp_path / "nasty.py", tmp_path / "report"
    script.write_text(NASTY)
    command = f"trap '' TERM; {sys.executable} {script} {report}"
    job = Background(machine, phase(command, timeout=600), grace_seconds=GRACE_SECONDS)

    try:
        wait_until(
            lambda: report.exists() and len(report.read_text().split()) == 5, what="the whole tree"
        )
        pids = pids_in(report.read_bytes())
        assert all(is_alive(pid) for pid in pids)
        machine.cancellation.cancel()
        wait_until(
            lambda: not any(is_alive(pid) for pid in pids), GRACE_SECONDS + 60, "the tree's end"
        )
    finally:
        outcome = job.end()

    assert outcome.state is JobState.CANCELLED


def test_a_well_behaved_tree_is_told_first_and_ends_at_once(machine: Machine) -> None:
    job = Background(
        machine,
        phase("trap 'echo farewell; exit 0' TERM; echo up; sleep 1000 & wait"),
        grace_seconds=600,
    )
    wait_until(lambda: machine.log.stdout, what="the first line")
    machine.cancellation.cancel()

    outcome = job.end()

    assert outcome.state is JobState.CANCELLED
    assert outcome.phases[0].state == "cancelled"  # whatever its exit code
    assert machine.log.stdout == b"up\nfarewell\n"


def test_after_a_cancel_clean_up_still_runs_and_a_second_cancel_does_not_touch_it(
    machine: Machine,
) -> None:
    job = Background(
        machine,
        phase("echo up; sleep 100", name="a"),
        phase("echo no", name="b"),
        phase("echo undo; sleep 0.3; echo undone", name="c", when=When.ALWAYS),
    )
    wait_until(lambda: machine.log.stdout, what="the first line")
    machine.cancellation.cancel()
    wait_until(lambda: b"undo" in machine.log.stdout, what="the clean-up")
    machine.cancellation.cancel()

    outcome = job.end()

    assert outcome.state is JobState.CANCELLED
    assert [str(report.state) for report in outcome.phases] == ["cancelled", "skipped", "succeeded"]
    assert machine.log.stdout == b"up\nundo\nundone\n"


def test_a_cancel_that_comes_in_the_last_clean_up_changes_nothing(machine: Machine) -> None:
    job = Background(
        machine, phase("true"), phase("echo tidy; sleep 0.2", name="tidy", when=When.ALWAYS)
    )
    wait_until(lambda: machine.log.stdout, what="the clean-up")

    machine.cancellation.cancel()

    assert job.end().state is JobState.SUCCEEDED


def test_a_clean_up_is_bounded_by_its_own_time_limit(machine: Machine) -> None:
    outcome = machine.run(
        phase("exit 1", name="a"), phase("sleep 100", name="b", when=When.ALWAYS, timeout=0.2)
    )

    assert [str(report.state) for report in outcome.phases] == ["failed", "timed_out"]
    assert outcome.state is JobState.FAILED
    assert machine.seconds < 5


def test_a_phase_that_takes_too_long_is_ended_with_all_it_started(machine: Machine) -> None:
    outcome = machine.run(
        phase("sleep 1000 & echo $!; setsid sleep 1000 & echo $!; wait", timeout=0.3)
    )

    assert (outcome.state, outcome.phases[0].state) == (JobState.TIMED_OUT, "timed_out")
    assert "timed out after 0.3 s" in outcome.explanation

    pids = pids_in(machine.log.stdout)
    assert len(pids) == 2
    assert not any(is_alive(pid) for pid in pids)


def test_the_jobs_time_limit_ends_a_phase_and_lets_clean_up_run(machine: Machine) -> None:
    outcome = machine.run(
        phase("sleep 100", name="a"), phase("echo tidied", name="b", when=When.ALWAYS), timeout=0.3
    )

    assert outcome.state is JobState.TIMED_OUT
    assert "whole job" in outcome.explanation
    assert machine.log.stdout == b"tidied\n"


def test_a_phase_that_timed_out_is_not_tried_again(machine: Machine) -> None:
    outcome = machine.run(phase("sleep 100", timeout=0.2, retries=Retries(limit=5, delay=0)))
    assert outcome.phases[0].tries == 1


def test_a_cancel_while_waiting_for_the_next_try_ends_the_waiting(machine: Machine) -> None:
    job = Background(
        machine,
        phase("echo try; exit 1", retries=Retries(limit=5, delay=1000)),
        phase("true", name="b"),
    )
    wait_until(lambda: machine.log.stdout, what="the first try")
    machine.cancellation.cancel()

    outcome = job.end()

    assert outcome.phases[0].state == "failed"
    assert outcome.state is JobState.FAILED


def test_a_cancel_works_while_the_sink_has_no_room(machine: Machine) -> None:
    machine.log.has_space = False
    job = Background(machine, phase("yes"))
    wait_until(lambda: machine.log.offered > 2, what="the sink to be offered something")
    pid = machine.children[0][0]

    machine.cancellation.cancel()
    wait_until(lambda: not is_alive(pid), what="the shell's end")

    assert machine.log.everything == b""

    machine.log.has_space = True
    outcome = job.end()
    assert outcome.state is JobState.CANCELLED
    assert set(machine.log.everything.split()) == {b"y"}  # what was printed is not dropped


def test_a_time_limit_works_while_the_sink_has_no_room(machine: Machine) -> None:
    machine.log.has_space = False
    job = Background(machine, phase("yes", timeout=0.2))
    wait_until(lambda: machine.children, what="the shell")
    wait_until(lambda: not is_alive(machine.children[0][0]), what="the shell's end")

    machine.log.has_space = True

    assert job.end().state is JobState.TIMED_OUT


def test_a_background_process_lives_on_in_later_phases_and_ends_with_the_job(
    machine: Machine,
) -> None:
    outcome = machine.run(
        phase("sh -c 'while :; do sleep 0.05; echo tick; done' & echo $! > pid"),
        phase("kill -0 $(cat pid)", "cat pid", "sleep 0.2", name="later"),
    )

    assert outcome.state is JobState.SUCCEEDED
    assert b"tick" in machine.log.of(phase=0)
    assert not is_alive(pids_in(machine.log.of(phase=1))[0])
    assert machine.seconds < 5


def test_a_silent_background_process_ends_with_the_job_too(machine: Machine) -> None:
    assert machine.run(phase("sleep 1000 >/dev/null 2>&1 & echo $!")).state is JobState.SUCCEEDED
    assert not is_alive(pids_in(machine.log.stdout)[0])
    assert machine.seconds < 30


@pytest.mark.parametrize("ending", ["exit 0", "exit 1"])
def test_a_service_that_a_job_started_outlives_it(machine: Machine, ending: str) -> None:
    service = "setsid sh -c 'touch up; exec sleep 1000' >/dev/null 2>&1 </dev/null & echo $!"
    machine.run(phase(service, "while [ ! -e up ]; do sleep 0.01; done", ending))
    pid = pids_in(machine.log.stdout)[0]
    try:
        assert is_alive(pid)
    finally:
        subprocess.run(["kill", "-9", str(pid)], check=True)
        wait_until(
            lambda: pid not in process.collect_orphans() and not Path(f"/proc/{pid}").exists()
        )


def test_last_words_of_a_process_substitution_are_heard(machine: Machine) -> None:
    outcome = machine.run(
        phase("exec > >(sleep 0.1; sed s/^/log:/)", "echo hello", shell="/bin/bash")
    )

    assert outcome.state is JobState.SUCCEEDED
    assert machine.log.stdout == b"log:hello\n"


def test_two_jobs_at_once_do_not_end_each_others_processes(
    machine: Machine, tmp_path: Path
) -> None:
    other = Machine(tmp_path / "other")

    job = Background(other, phase("env -i setsid sleep 0.8 & echo up; sleep 0.8; echo whole"))
    wait_until(lambda: other.log.stdout, what="the other job")

    assert machine.run(phase("sleep 100", timeout=0.2)).state is JobState.TIMED_OUT
    assert job.end().state is JobState.SUCCEEDED
    assert other.log.stdout == b"up\nwhole\n"


def test_a_cancel_racing_the_end_has_one_truthful_outcome(tmp_path: Path) -> None:
    host = RunnerHost(workspace_root=tmp_path, runtimes=Runtimes(known_runtimes()))

    for number in range(max(DELAYS, round(2 * DELAYS * SCALE))):
        log, cancellation = Log(), Cancellation()
        work = Machine(tmp_path).work(
            phase("sleep 0.003", "echo done", name="a"), job_id=f"race-{number}"
        )
        threading.Timer(0.001 * (number % DELAYS), cancellation.cancel).start()
        outcome = Runner(work, log, host, cancellation).run()
        assert outcome.state in {JobState.SUCCEEDED, JobState.CANCELLED}
        if outcome.state is JobState.SUCCEEDED:
            assert log.stdout == b"done\n"

    assert list(tmp_path.iterdir()) == []
