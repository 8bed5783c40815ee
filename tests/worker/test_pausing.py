"""Runs that wait for people: what they leave, how they go on, and how they end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from opsicle.domain.calls import Call
from opsicle.domain.pauses import ResumeVerdict
from opsicle.domain.templates import OnFailure, Phase, When
from opsicle.wire.jobs import Outcome, Work
from opsicle.worker.pausing import Answered
from tests.support import wait_until
from tests.worker.job_runs import phase
from tests.worker.paused_runs import CONTINUE, LOOK, PausedMachine


@pytest.fixture
def machine(tmp_path: Path) -> PausedMachine:
    return PausedMachine(tmp_path)


def processes_of(work: Work) -> list[str]:
    """Return the processes that carry the mark of a job."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and work.job_id.encode() in (entry / "environ").read_bytes():
                found.append(entry.name)
    return found


def chosen(verdict: ResumeVerdict) -> Answered:
    return Answered(verdict=verdict, reason=f"{verdict}, by alice")


def test_a_run_goes_on_in_the_workspace_that_it_left_with_what_people_gave(
    machine: PausedMachine,
) -> None:
    work = machine.pause(
        phase("echo kept > file", name="before"), LOOK, phase("cat file; echo $OPSICLE_VAR_LAG")
    )
    assert (machine.root / work.job_id / "file").read_text() == "kept\n"

    given = msgspec.structs.replace(CONTINUE, environment={"OPSICLE_VAR_LAG": "7"})
    outcome = machine.go_on(work, given)

    assert outcome is not None
    assert outcome.state == "succeeded"
    assert machine.log.of(2) == b"kept\n7\n"
    assert not (machine.root / work.job_id).exists()


def test_the_clock_of_the_jobs_time_limit_stands_while_people_think(
    machine: PausedMachine,
) -> None:
    work = machine.pause(phase("sleep 0.2", name="before"), LOOK, phase("echo on"), timeout=60)
    assert machine.paused is not None
    assert machine.paused.seconds_left is not None
    assert 50 < machine.paused.seconds_left < 59.9

    machine.paused = msgspec.structs.replace(machine.paused, seconds_left=0.0)
    outcome = machine.go_on(work, CONTINUE)

    assert outcome is not None
    assert outcome.state == "timed_out"


def test_nothing_that_a_phase_left_in_the_background_runs_while_people_think(
    machine: PausedMachine,
) -> None:
    began = time.monotonic()

    work = machine.pause(phase("sleep 300 & echo begun", name="before"), LOOK)

    assert time.monotonic() - began < 60
    assert processes_of(work) == []


def test_only_clean_up_runs_of_what_people_stopped(machine: PausedMachine) -> None:
    work = machine.pause(LOOK, phase("echo act"), phase("echo tidy", name="t", when=When.ALWAYS))

    outcome = machine.go_on(work, Answered(verdict=ResumeVerdict.STOP, reason="rejected by bob"))

    assert outcome is not None
    assert (outcome.state, outcome.explanation) == ("cancelled", "rejected by bob")
    assert machine.log.of(1) == b""
    assert machine.log.of(2) == b"tidy\n"


def test_a_workspace_that_is_gone_lets_nothing_go_on(machine: PausedMachine) -> None:
    work = machine.pause(LOOK, phase("echo act"))
    (machine.root / work.job_id).rmdir()

    outcome = machine.go_on(work, CONTINUE)

    assert outcome is not None
    assert (outcome.state, outcome.explanation) == ("failed", "its workspace is gone")


FAILS_ONCE = "test -e tried || { touch tried; exit 3; }"


def after_failure(machine: PausedMachine, verdict: ResumeVerdict) -> Outcome:
    work = machine.pause(
        phase(FAILS_ONCE, name="act", on_failure=OnFailure.ASK),
        phase("echo after", name="after"),
        phase("echo undone", name="undo", when=When.FAILURE),
    )
    outcome = machine.go_on(work, chosen(verdict))
    assert outcome is not None
    return outcome


def test_a_failed_phase_that_is_retried_may_succeed(machine: PausedMachine) -> None:
    outcome = after_failure(machine, ResumeVerdict.RETRY)

    assert [each.state for each in outcome.phases] == ["succeeded", "succeeded", "skipped"]
    assert outcome.state == "succeeded"


def test_a_failed_phase_that_is_skipped_stays_failed_and_so_does_the_job(
    machine: PausedMachine,
) -> None:
    outcome = after_failure(machine, ResumeVerdict.SKIP)

    assert [each.state for each in outcome.phases] == ["failed", "succeeded", "skipped"]
    assert (outcome.state, outcome.exit_code) == ("failed", 3)


def test_a_failure_that_is_aborted_ends_as_if_nobody_had_been_asked(
    machine: PausedMachine,
) -> None:
    outcome = after_failure(machine, ResumeVerdict.ABORT)

    assert [each.state for each in outcome.phases] == ["failed", "skipped", "succeeded"]
    assert (outcome.state, outcome.exit_code) == ("failed", 3)


def test_what_was_skipped_before_a_later_pause_is_not_forgotten(machine: PausedMachine) -> None:
    work = machine.pause(phase("exit 4", name="act", on_failure=OnFailure.ASK), LOOK, phase("true"))
    assert machine.go_on(work, chosen(ResumeVerdict.SKIP)) is None

    outcome = machine.go_on(work, CONTINUE)

    assert outcome is not None
    assert (outcome.state, outcome.exit_code) == ("failed", 4)


def calling(*outputs: str, on_failure: OnFailure = OnFailure.FAIL) -> Phase:
    call = Call(template="child")
    return Phase(name="call", commands=(), calls=(call,), outputs=outputs, on_failure=on_failure)


def test_what_comes_back_from_a_call_reaches_later_phases_and_people(
    machine: PausedMachine,
) -> None:
    work = machine.pause(calling("found"), phase("echo got $OPSICLE_OUTPUT_FOUND"))

    back = msgspec.structs.replace(CONTINUE, outputs={"found": "db1"})
    outcome = machine.go_on(work, back)

    assert outcome is not None
    assert outcome.state == "succeeded"
    assert machine.log.of(1) == b"got db1\n"
    assert [(each.name, each.value) for each in outcome.phases[0].outputs] == [("found", "db1")]


def test_a_call_that_did_not_succeed_fails_its_phase(machine: PausedMachine) -> None:
    work = machine.pause(
        calling(), phase("echo on"), phase("echo tidy", when=When.ALWAYS, name="t")
    )

    failed = Answered(verdict=ResumeVerdict.FAIL, reason="child ended failed")
    outcome = machine.go_on(work, failed)

    assert outcome is not None
    assert (outcome.state, outcome.explanation) == ("failed", "phase call: child ended failed")
    assert (machine.log.of(1), machine.log.of(2)) == (b"", b"tidy\n")


@pytest.mark.parametrize("verdict", [ResumeVerdict.CONTINUE, ResumeVerdict.FAIL])
def test_a_clean_up_call_waits_and_changes_nothing_of_how_the_job_ends(
    machine: PausedMachine, verdict: ResumeVerdict
) -> None:
    clean_up = msgspec.structs.replace(calling(), when=When.FAILURE)
    work = machine.pause(
        phase("exit 7"), clean_up, phase("echo on"), phase("echo tidy", when=When.ALWAYS, name="t")
    )

    outcome = machine.go_on(work, Answered(verdict=verdict, reason="how the child ended"))

    assert outcome is not None
    assert (outcome.state, outcome.exit_code) == ("failed", 7)
    assert outcome.explanation == "phase work failed with exit code 7"
    assert (machine.log.of(2), machine.log.of(3)) == (b"", b"tidy\n")


def test_a_clean_up_call_is_made_after_a_cancel_and_the_job_stays_cancelled(
    machine: PausedMachine,
) -> None:
    clean_up = msgspec.structs.replace(calling(), when=When.ALWAYS)
    work = machine.work(phase("echo on; sleep 60"), clean_up)
    running = ThreadPoolExecutor().submit(machine.runner(work).run)
    wait_until(lambda: machine.log.of(0), 60, "the phase to run")
    machine.cancellation.cancel()
    assert running.result() is None

    outcome = machine.go_on(work, CONTINUE)

    assert outcome is not None
    assert outcome.state == "cancelled"
    assert [str(each.state) for each in outcome.phases] == ["cancelled", "succeeded"]


def test_after_a_call_that_did_not_succeed_people_are_asked_and_it_is_made_anew(
    machine: PausedMachine,
) -> None:
    work = machine.pause(calling(on_failure=OnFailure.ASK), phase("echo on"))
    failed = Answered(verdict=ResumeVerdict.FAIL, reason="child ended failed")
    assert machine.go_on(work, failed) is None
    assert machine.paused is not None
    assert machine.paused.phases[0].state == "failed"

    assert machine.go_on(work, chosen(ResumeVerdict.RETRY)) is None
    assert (machine.paused.phases[0].state, machine.paused.phases[0].explanation) == ("pending", "")

    outcome = machine.go_on(work, CONTINUE)
    assert outcome is not None
    assert outcome.state == "succeeded"
