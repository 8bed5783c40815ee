"""How long what runs on several machines may take, and how it counts once it is over."""

from __future__ import annotations

from opsicle.server.automations.fan_out_endings import TIME_OVER
from tests.services.fanning import Fanning


def test_what_takes_longer_than_its_time_ends_on_all_machines_wherever_they_are(
    fanning: Fanning,
) -> None:
    fanning.push("labels: {role: edge}, parallel: 2, timeout: 3600").run()
    running = fanning.take("e1")
    fanning.core.clock.advance(3599)
    assert fanning.turn().states == {"e1": "running", "e2": "queued", "e3": "queued"}

    fanning.core.clock.advance(1)
    fanning.turn()

    assert fanning.states == {"e1": "running", "e2": "cancelled", "e3": "cancelled"}
    assert fanning.part("e1").is_cancel_requested
    fanning.workers["e1"].finish(running, "cancelled", None)
    assert fanning.turn().now.state == "timed_out"
    assert fanning.now.explanation == (
        f"{TIME_OVER}; it was cancelled on e1, e2; it did not begin on e3: {TIME_OVER}"
    )
    assert (
        fanning.targets[2].reason
        == "the time that its template gives to all of its machines is over"
    )


def test_a_worker_that_never_comes_back_holds_up_nothing_for_longer_than_a_week(
    fanning: Fanning,
) -> None:
    fanning.push().run().carry_out("e1").carry_out("e2")

    fanning.core.clock.advance(604_800)
    fanning.turn()

    assert fanning.states == {"e1": "succeeded", "e2": "succeeded", "e3": "cancelled"}
    assert fanning.now.state == "timed_out"


def test_what_has_failed_on_all_machines_has_not_timed_out_though_its_end_is_seen_late(
    fanning: Fanning,
) -> None:
    fanning.push("labels: {role: edge}, timeout: 60").run()
    for name in ("e1", "e2", "e3"):
        fanning.workers[name].finish(fanning.take(name), "failed", 1)

    fanning.core.clock.advance(61)

    assert fanning.turn().now.state == "failed"


def test_it_counts_once_among_the_runs_of_its_template(fanning: Fanning) -> None:
    fanning.push().run().carry_out("e1").carry_out("e2", "failed", 1).carry_out("e3")

    found = fanning.core.automations.recent.of_template(fanning.actor, "patch")

    assert [(run.id, run.state) for run in found.runs] == [(fanning.automation.id, "failed")]
