"""Outputs and summaries on the server: kept with the job that holds the newest lease."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import LeaseLost
from opsicle.server.access.actor import Actor
from opsicle.wire.jobs import Outcome, PhaseOutput, PhaseReport
from opsicle.wire.worker_api import LEASE_SECONDS, FinishRequest, LogRequest
from tests.services.core import HELLO, Core

HANDS_ON = HELLO.replace("phases: [{name: greet,", "phases: [{name: greet, outputs: [a, b],")


@pytest.fixture
def alice(core: Core) -> Actor:
    alice = core.person(core.org("acme"), "alice", BuiltInRole.OPERATOR)
    core.push(alice, HANDS_ON.replace("  template:", "  onWorkerLost: requeue\n  template:"))
    return alice


def report(value: str, summary: str = "", state: str = "succeeded") -> PhaseReport:
    outputs = (PhaseOutput(name="a", value=value),)
    return PhaseReport(name="greet", state=state, outputs=outputs, summary=summary)


def finish(fence: int, *phases: PhaseReport, state: str = "succeeded") -> FinishRequest:
    return FinishRequest(fence=fence, outcome=Outcome(state=state, phases=phases), log_bytes=0)


def test_what_a_job_ends_with_is_shown_and_outlives_a_restart(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    core.jobs.finish(worker.actor, work.job_id, finish(work.fence, report("1", "# Done")))

    core = core.restart()

    shown = core.automations.get(alice, automation.id)
    assert (shown.state, shown.outputs, shown.summary) == ("succeeded", {"a": "1"}, "# Done")
    core.close()


def test_what_a_job_has_handed_on_is_shown_while_it_runs(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)

    told = LogRequest(fence=work.fence, phases=(report("1", state="running"),))
    core.jobs.log(worker.actor, work.job_id, told)

    shown = core.automations.get(alice, automation.id)
    assert (shown.state, shown.outputs) == ("running", {"a": "1"})


def test_a_worker_whose_lease_has_passed_on_changes_no_output(core: Core, alice: Actor) -> None:
    slow, quick = core.worker(alice.org_id, "w1"), core.worker(alice.org_id, "w2")
    automation = core.run(alice)
    [old] = slow.poll().work
    slow.start(old)
    core.clock.advance(LEASE_SECONDS + 1)
    core.jobs.expire()
    [new] = quick.poll().work
    quick.start(new)
    core.jobs.finish(quick.actor, new.job_id, finish(new.fence, report("of the newest", "newest")))

    for call in (
        lambda: core.jobs.log(
            slow.actor, old.job_id, LogRequest(fence=old.fence, phases=(report("stale"),))
        ),
        lambda: core.jobs.finish(slow.actor, old.job_id, finish(old.fence, report("stale", "old"))),
        lambda: core.jobs.finish(slow.actor, new.job_id, finish(new.fence, report("stale", "old"))),
        lambda: core.jobs.finish(
            quick.actor, old.job_id, finish(new.fence, report("stale", "old"))
        ),
    ):
        with pytest.raises(LeaseLost):
            call()

    shown = core.automations.get(alice, automation.id)
    assert (shown.outputs, shown.summary) == ({"a": "of the newest"}, "newest")


def test_what_ended_is_not_said_anew_by_the_same_worker(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    core.jobs.finish(worker.actor, work.job_id, finish(work.fence, report("1")))

    core.jobs.finish(worker.actor, work.job_id, finish(work.fence, report("2")))
    with pytest.raises(LeaseLost):
        core.jobs.log(
            worker.actor, work.job_id, LogRequest(fence=work.fence, phases=(report("3"),))
        )

    assert core.automations.get(alice, automation.id).outputs == {"a": "1"}


def test_names_that_the_template_does_not_declare_are_not_shown(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    outputs = tuple(PhaseOutput(name=name, value=name) for name in ("a", "forged", "b"))
    told = PhaseReport(name="greet", state="succeeded", outputs=outputs)

    core.jobs.finish(worker.actor, work.job_id, finish(work.fence, told))

    assert core.automations.get(alice, automation.id).outputs == {"a": "a", "b": "b"}
