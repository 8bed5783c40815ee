"""A failed phase is tried again as often as it says, and log and report tell of it."""

from __future__ import annotations

from opsicle.domain.automations import JobState
from opsicle.domain.templates import Retries
from tests.worker.job_runs import Machine, phase


def test_a_failed_phase_is_tried_again_as_often_as_it_says(machine: Machine) -> None:
    flaky = phase("echo try >> tries", "test $(wc -l < tries) = 3", retries=Retries(limit=4))

    outcome = machine.run(flaky)

    assert outcome.state is JobState.SUCCEEDED
    assert outcome.phases[0].tries == 3
    assert [command.exit_code for command in outcome.phases[0].commands] == [0, 0]


def test_a_phase_that_keeps_failing_fails_after_its_last_try(machine: Machine) -> None:
    outcome = machine.run(phase("exit 9", retries=Retries(limit=2, delay=0.05)))

    assert (outcome.state, outcome.exit_code, outcome.phases[0].tries) == (JobState.FAILED, 9, 3)
    assert machine.seconds >= 0.1


def test_a_retrying_phase_shows_its_attempts_in_log_and_report(machine: Machine) -> None:
    seen = []
    machine.log.progress = lambda phases: seen.append(
        (phases[0].state, phases[0].tries, phases[0].explanation)
    )  # type: ignore[method-assign]

    flaky = phase(
        "echo try >> tries", "test $(wc -l < tries) = 3", retries=Retries(limit=4, delay=0)
    )

    assert machine.run(flaky).state is JobState.SUCCEEDED
    waiting = "attempt 2 of 5 failed with exit code 1; the next begins in 0 s"
    assert ("running", 1, "attempt 1 of 5") in seen
    assert ("running", 2, waiting) in seen
    assert ("running", 3, "attempt 3 of 5") in seen
    assert seen[-1] == ("succeeded", 3, "")
    assert machine.log.stderr.decode().splitlines() == [
        f"opsicle: {waiting.replace('2', n, 1)}" for n in "12"
    ]


def test_a_line_of_our_own_stands_on_a_line_of_its_own(machine: Machine) -> None:
    outcome = machine.run(phase("printf unfinished; exit 3", retries=Retries(limit=1)))

    assert machine.log.everything.split(b"\n")[:2] == [
        b"unfinished",
        b"opsicle: attempt 1 of 2 failed with exit code 3; the next begins in 0 s",
    ]
    assert outcome.explanation == "phase work failed with exit code 3, at attempt 2"


def test_a_job_that_is_cancelled_between_two_attempts_failed_at_the_last_one(
    machine: Machine,
) -> None:
    machine.log.progress = lambda phases: (
        machine.cancellation.cancel() if "begins" in phases[0].explanation else None
    )  # type: ignore[method-assign]

    outcome = machine.run(phase("exit 3", retries=Retries(limit=1, delay=60)))

    assert (outcome.state, outcome.phases[0].state) == (JobState.FAILED, "failed")
    assert outcome.explanation == "phase work failed with exit code 3"
