"""Leases and fences: who may speak for a job, and what becomes of one whose worker is lost."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import Conflict, LeaseLost, LogIncomplete
from opsicle.server.access.actor import Actor
from opsicle.server.dispatch.lease_store import DELIVERY_SECONDS
from opsicle.wire.jobs import CommandReport, Outcome, PhaseReport, StepState
from opsicle.wire.worker_api import LEASE_SECONDS, FinishRequest, LogRequest
from tests.services.core import HELLO, Core

REQUEUE = HELLO.replace("  template:", "  onWorkerLost: requeue\n  template:")


def test_a_lease_that_lapses_before_the_start_goes_back_to_the_queue(
    core: Core, alice: Actor
) -> None:
    first, second = core.worker(alice.org_id, "w1"), core.worker(alice.org_id, "w2")
    automation = core.run(alice)
    [lost] = first.poll().work

    core.clock.advance(LEASE_SECONDS + 1)

    assert core.jobs.expire() == 1

    [work] = second.poll().work
    assert work.automation_id == automation.id
    assert work.fence > lost.fence
    with pytest.raises(LeaseLost):
        first.start(lost)


def test_a_lease_is_renewed_by_every_poll_that_lists_the_job(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    for _ in range(5):
        core.clock.advance(LEASE_SECONDS - 1)
        worker.poll()
        assert core.jobs.expire() == 0


def test_a_running_job_of_a_lost_worker_becomes_unknown(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    worker.start(worker.poll().work[0])

    core.clock.advance(LEASE_SECONDS + 1)
    core.jobs.expire()

    shown = core.automations.get(alice, automation.id)
    assert shown.state == "unknown"
    assert [phase.state for phase in shown.phases] == ["unknown"]  # none was ever told of
    assert "w1 was lost" in shown.explanation
    assert core.worker(alice.org_id, "w2").poll().work == ()


@pytest.mark.parametrize("is_told_by_worker", [False, True])
def test_phases_of_a_lost_job_are_unknown_and_their_clock_stands(
    core: Core, alice: Actor, is_told_by_worker: bool
) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)

    began_ms = int(core.clock.now().timestamp() * 1000)
    command = CommandReport(state=StepState.RUNNING, started_at_ms=began_ms)
    running = PhaseReport(
        name=work.phases[0].name,
        state=StepState.RUNNING,
        started_at_ms=began_ms,
        tries=1,
        commands=[command],
    )
    core.jobs.log(worker.actor, work.job_id, LogRequest(fence=work.fence, phases=(running,)))

    if is_told_by_worker:  # that its earlier life has ended
        running.state = command.state = StepState.UNKNOWN  # as a worker says it, without a time
        outcome = Outcome(state="unknown", phases=(running,))
        core.jobs.finish(
            worker.actor, work.job_id, FinishRequest(fence=work.fence, outcome=outcome, log_bytes=0)
        )
    else:
        core.clock.advance(LEASE_SECONDS + 1)
        core.jobs.expire()
        still_on_its_way = LogRequest(fence=work.fence, phases=(running,))
        core.jobs.log(worker.actor, work.job_id, still_on_its_way)
    lost_at = core.clock.now()

    core.clock.advance(3600)

    [phase] = core.automations.get(alice, automation.id).phases
    for step in (phase, *phase.commands):
        assert step.state == "unknown"
        assert step.finished_at is not None
        assert abs((step.finished_at - lost_at).total_seconds()) < 0.01


def test_a_worker_that_comes_back_says_more_of_a_job_that_it_lost(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    core.clock.advance(LEASE_SECONDS + 1)
    core.jobs.expire()
    skipped = PhaseReport(
        name=work.phases[0].name, state=StepState.SKIPPED, explanation="not run: too late"
    )
    told = Outcome(
        state="unknown",
        phases=(skipped,),
        explanation="it did not run its clean-up phase tidy: too late",
    )

    for _ in range(2):
        core.jobs.finish(
            worker.actor, work.job_id, FinishRequest(fence=work.fence, outcome=told, log_bytes=0)
        )

    shown = core.automations.get(alice, automation.id)
    assert (shown.state, shown.explanation) == ("unknown", told.explanation)
    assert (shown.phases[0].state, shown.phases[0].explanation) == ("skipped", "not run: too late")


def test_unknown_gives_way_to_the_truth_of_the_newest_fence(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)

    core.clock.advance(LEASE_SECONDS + 1)
    core.jobs.expire()

    assert worker.poll().drop == ()

    worker.finish(work, "failed", 3)
    assert core.state(alice, automation) == "failed"


def test_a_requeued_automation_runs_again_and_the_lost_worker_is_shut_out(
    core: Core, alice: Actor
) -> None:
    core.push(alice, REQUEUE.replace("hello}", "again}"))
    first, second = core.worker(alice.org_id, "w1"), core.worker(alice.org_id, "w2")
    automation = core.run(alice, "again")
    [lost] = first.poll().work
    first.start(lost)

    core.clock.advance(LEASE_SECONDS + 1)
    core.jobs.expire()

    assert core.state(alice, automation) == "queued"
    assert lost.job_id in first.poll().drop

    del first.held[lost.job_id]
    [work] = second.poll().work
    second.start(work)

    for call in (
        lambda: first.finish(lost),
        lambda: first.start(lost),
        lambda: core.jobs.log(
            first.actor, lost.job_id, LogRequest(fence=lost.fence, chunks=((0, 0, 1, 0, b"x"),))
        ),
    ):
        with pytest.raises(LeaseLost):
            call()

    second.finish(work)
    assert core.state(alice, automation) == "succeeded"


def test_a_server_that_comes_back_gives_every_lease_one_full_term(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    core.clock.advance(10 * LEASE_SECONDS)
    core = core.restart()

    core.clock.advance(LEASE_SECONDS - 1)

    assert core.jobs.expire() == 0

    worker.core = core
    worker.finish(work)

    assert core.state(alice, automation) == "succeeded"
    core.close()


def test_work_whose_reply_got_lost_is_handed_out_again_at_the_next_poll(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1")
    core.run(alice)
    [lost] = worker.poll().work
    worker.held.clear()

    [work] = worker.poll().work

    assert work.automation_id == lost.automation_id
    assert work.fence > lost.fence


def test_start_and_finish_may_be_asked_twice(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    core.run(alice)
    [work] = worker.poll().work
    worker.start(work)

    worker.start(work)

    assert worker.finish(work) == worker.finish(work) == "succeeded"


def test_a_finished_job_cannot_end_otherwise(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    worker.finish(work)

    with pytest.raises(Conflict):
        worker.finish(work, "failed", 1)
    assert core.state(alice, automation) == "succeeded"


def test_a_job_that_was_not_started_cannot_finish(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work

    with pytest.raises(Conflict):
        worker.finish(work)
    assert core.state(alice, automation) == "queued"


def test_another_worker_cannot_speak_for_the_job(core: Core, alice: Actor) -> None:
    worker, thief = core.worker(alice.org_id, "w1"), core.worker(alice.org_id, "w2")
    core.run(alice)
    [work] = worker.poll().work

    with pytest.raises(LeaseLost):
        thief.start(work)


def test_work_that_was_lost_with_the_answer_to_finish_is_handed_out_again(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1", slots=1)
    core.run(alice)
    second = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    worker.finish_for_more(work)

    worker.held.clear()

    assert worker.poll().work == ()

    core.clock.advance(DELIVERY_SECONDS + 1)
    assert [again.automation_id for again in worker.poll().work] == [second.id]


def test_a_job_cannot_finish_while_part_of_its_log_is_missing(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    outcome = Outcome(state="succeeded", phases=(), exit_code=0)

    with pytest.raises(LogIncomplete):
        core.jobs.finish(
            worker.actor, work.job_id, FinishRequest(fence=work.fence, outcome=outcome, log_bytes=5)
        )

    chunks = ((0, 0, 1, 0, b"hello"),)
    request = FinishRequest(fence=work.fence, outcome=outcome, log_bytes=5, chunks=chunks)

    assert core.jobs.finish(worker.actor, work.job_id, request).state == "succeeded"


def test_a_worker_that_says_unknown_about_what_never_started_gives_it_back(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice)
    [work] = worker.poll().work

    worker.finish(work, "unknown", None)

    assert core.state(alice, automation) == "queued"
    assert len(worker.poll().work) == 1
