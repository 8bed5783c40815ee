"""A failed phase is tried again as often as it says, and log and report tell of it."""

from __future__ import annotations

import itertools
import re

import pytest

from opsicle.domain.automations import JobState
from opsicle.domain.retries import MAX_RETRY_DELAY_SECONDS, retry_delay
from opsicle.domain.templates import Retries
from tests.worker.job_runs import Machine, phase


def test_a_failed_phase_is_tried_again_as_often_as_it_says(machine: Machine) -> None:
    flaky = phase(
        "echo try >> tries", "test $(wc -l < tries) = 3", retries=Retries(limit=4, delay=0)
    )

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


def test_every_try_before_the_last_is_reported_with_its_place_in_the_log(machine: Machine) -> None:
    flaky = phase(
        "echo try | tee -a tries; [ $(wc -l < tries) != 2 ] || kill -9 $$",
        "exit $(wc -l < tries)",
        retries=Retries(limit=2, delay=0),
    )

    report = machine.run(flaky).phases[0]

    assert (report.tries, report.exit_code) == (3, 3)
    assert [(each.exit_code, each.explanation) for each in report.failed_tries] == [
        (1, ""),
        (137, "ended by SIGKILL"),
    ]
    second = machine.log.everything[report.failed_tries[1].log_offset :]
    assert second.startswith(b"try\nopsicle: attempt 2 of 3 failed: ended by SIGKILL; the next")
    assert report.failed_tries[0].finished_at_ms <= report.failed_tries[1].started_at_ms
    assert machine.log.stderr.endswith(
        b"opsicle: attempt 3 of 3 failed with exit code 3; it was the last\n"
    )


def test_only_the_named_exit_codes_are_tried_again(machine: Machine) -> None:
    command = "echo try >> tries", "exit $((77 - $(wc -l < tries)))"
    outcome = machine.run(phase(*command, retries=Retries(limit=5, delay=0, retry_on=(76, 9))))

    assert (outcome.exit_code, outcome.phases[0].tries) == (75, 2)
    assert outcome.explanation == (
        "phase work: failed with exit code 75, which `retryOn` does not name, at attempt 2"
    )
    assert machine.log.stderr.decode().splitlines()[-1] == (
        "opsicle: attempt 2 of 6: failed with exit code 75, which `retryOn` does not name"
    )


@pytest.mark.parametrize(("retry_on", "tries"), [((), 3), ((127,), 3), ((126, 1), 1)])
def test_a_shell_that_cannot_be_started_has_the_exit_code_that_a_shell_would_say(
    machine: Machine, retry_on: tuple[int, ...], tries: int
) -> None:
    retries = Retries(limit=2, delay=0, retry_on=retry_on)
    outcome = machine.run(phase("true", shell="/bin/absent", retries=retries))

    assert (outcome.exit_code, outcome.phases[0].tries) == (127, tries)


def test_wrong_outputs_have_no_exit_code_that_could_be_named(machine: Machine) -> None:
    retries = Retries(limit=5, delay=0, retry_on=tuple(range(1, 256)))
    outcome = machine.run(phase("echo wrong > $OPSICLE_OUTPUT", retries=retries))

    assert (outcome.state, outcome.phases[0].tries) == (JobState.FAILED, 1)
    assert outcome.explanation.endswith("`retryOn` is about exit codes, so it is not tried again")


def test_a_phase_that_timed_out_is_not_tried_again_whatever_it_says(machine: Machine) -> None:
    retries = Retries(limit=5, delay=0, retry_on=tuple(range(1, 256)))
    outcome = machine.run(phase("sleep 100", timeout=0.2, retries=retries))

    assert (outcome.state, outcome.phases[0].tries) == (JobState.TIMED_OUT, 1)


def test_delays_grow_and_are_said_as_long_as_they_are(machine: Machine) -> None:
    outcome = machine.run(phase("exit 1", retries=Retries(limit=3, delay=0.2, backoff=2.0)))

    said = re.findall(rb"begins in ([0-9.]+) s", machine.log.stderr)
    assert [float(seconds) for seconds in said] == pytest.approx([0.2, 0.4, 0.8], rel=0.15)
    tries = outcome.phases[0].failed_tries
    waits = [
        (after.started_at_ms - before.finished_at_ms) / 1000
        for before, after in itertools.pairwise(tries)
    ]
    assert waits[0] >= 0.2
    assert waits[1] >= 0.4


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0])
def test_a_delay_is_bounded_however_often_it_grew(spread: float) -> None:
    retries = Retries(limit=100, delay=3600, backoff=10.0)
    delays = [retry_delay(retries, tries, spread) for tries in range(1, 101)]

    assert 3600 <= delays[0] <= 3961
    assert delays == sorted(delays)
    assert delays[-1] == MAX_RETRY_DELAY_SECONDS


def test_a_delay_that_does_not_grow_is_as_long_as_it_says() -> None:
    assert {retry_delay(Retries(limit=9, delay=7), n, 0.7) for n in range(1, 10)} == {7}


def test_a_line_of_our_own_stands_on_a_line_of_its_own(machine: Machine) -> None:
    outcome = machine.run(phase("printf unfinished; exit 3", retries=Retries(limit=1, delay=0)))

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
