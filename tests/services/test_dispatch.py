"""Leases, fences and the states that follow from them.

Alice runs; Bob may not touch what is hers.
"""

from __future__ import annotations

import gevent
import pytest

from opsicle.domain.errors import Conflict, LeaseLost, LogIncomplete, NotAuthenticated
from opsicle.server.access.actor import Actor
from opsicle.server.dispatch.lease_store import HANDING_SECONDS
from opsicle.wire.jobs import CommandReport, Outcome, PhaseReport, StepState
from opsicle.wire.worker_api import LEASE_SECONDS, FinishRequest, LogRequest
from tests.services.core import HELLO, Core

REQUEUE = HELLO.replace("  template:", "  onWorkerLost: requeue\n  template:")
ELSEWHERE = HELLO.replace("  template:", "  runsOn: {labels: {site: ams}}\n  template:")


def test_an_automation_goes_to_a_polling_worker_runs_and_succeeds(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    automation = core.run(alice, who="you")
    assert automation.state == "queued"
    [work] = worker.poll().work
    assert work.variables == {"OPSICLE_VAR_WHO": "you"}
    worker.start(work)
    assert core.state(alice, automation) == "running"
    assert worker.finish(work) == "succeeded"
    assert core.state(alice, automation) == "succeeded"


def test_a_held_poll_is_answered_as_soon_as_there_is_work(core: Core, alice: Actor) -> None:
    poll = core.worker(alice.org_id, "w1").poll_in_background()
    core.run(alice)
    assert len(poll.get(timeout=60).work) == 1


def test_a_full_worker_gets_the_next_automation_when_a_job_ends(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1", slots=1)
    core.run(alice)
    core.clock.advance(1)  # automations of the same millisecond are in no order
    second = core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    poll = worker.poll_in_background()
    assert not poll.ready()
    worker.finish(work)
    assert [w.automation_id for w in poll.get(timeout=60).work] == [second.id]


def test_no_worker_gets_more_jobs_than_it_has_slots(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1", slots=3)
    for _ in range(5):
        core.run(alice)
    assert len(worker.poll().work) == 3
    assert worker.poll().work == ()


def test_one_automation_is_leased_to_one_worker_only(core: Core, alice: Actor) -> None:
    workers = [core.worker(alice.org_id, f"w{n}", slots=4) for n in range(4)]
    for _ in range(8):
        core.run(alice)
    replies = [gevent.spawn(worker.poll) for worker in workers]
    gevent.joinall(replies, raise_error=True)
    leased = [work.automation_id for reply in replies for work in reply.value.work]
    assert len(leased) == 8
    assert len(set(leased)) == 8


def test_work_left_by_one_worker_wakes_the_next(core: Core, alice: Actor) -> None:
    first, second = (core.worker(alice.org_id, name).poll_in_background() for name in ("w1", "w2"))
    core.run(alice)
    core.run(alice)
    gevent.joinall([first, second], timeout=60)
    assert len(first.value.work) == len(second.value.work) == 1


def test_another_orgs_worker_gets_nothing(core: Core, alice: Actor) -> None:
    anonymous = core.worker(core.org("globex"), "w1")
    core.run(alice)
    assert anonymous.poll().work == ()


def test_only_a_worker_with_the_labels_gets_the_work_and_the_reason_says_so(
    core: Core, alice: Actor
) -> None:
    core.push(alice, ELSEWHERE.replace("hello}", "elsewhere}"))
    here = core.worker(alice.org_id, "here")
    automation = core.run(alice, "elsewhere")
    assert (
        core.automations.get(alice, automation.id).waiting_reason
        == "no connected worker has label site=ams"
    )
    assert here.poll().work == ()
    reason = core.automations.get(alice, automation.id).waiting_reason
    assert reason == "no connected worker has label site=ams"
    assert len(core.worker(alice.org_id, "there", site="ams").poll().work) == 1


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
        outcome = Outcome(state="unknown", phases=(running,))
        core.jobs.finish(
            worker.actor, work.job_id, FinishRequest(fence=work.fence, outcome=outcome, log_bytes=0)
        )
    else:
        core.clock.advance(LEASE_SECONDS + 1)
        core.jobs.expire()
        core.jobs.log(
            worker.actor, work.job_id, LogRequest(fence=work.fence, phases=(running,))
        )  # still on its way
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


def test_a_revoked_worker_loses_its_open_poll_at_once(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    poll = worker.poll_in_background()
    core.fleet.revoke(worker.actor.worker_id)
    with pytest.raises(NotAuthenticated):
        poll.get(timeout=60)


def test_a_draining_worker_gets_no_more_work(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    poll = worker.poll_in_background()
    core.fleet.set_draining(worker.actor.worker_id, True)
    assert poll.get(timeout=60).drain
    core.run(alice)
    assert core.fleet.find(worker.actor.worker_id).is_draining


def test_a_draining_worker_is_given_nothing_when_it_ends_a_job_or_polls(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1", slots=2)
    core.run(alice)
    [work] = worker.poll().work
    worker.start(work)
    core.fleet.set_draining(worker.actor.worker_id, True)
    core.run(alice)
    assert worker.finish_for_more(work).work == ()
    worker.is_draining = True
    core.fleet.set_draining(worker.actor.worker_id, False)
    assert worker.poll().work == ()


def test_the_answer_to_finish_brings_the_next_work_and_never_more_than_the_slots(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1", slots=1)
    ids = [core.run(alice).id for _ in range(3)]
    [work] = worker.poll().work
    for expected in ids[1:]:
        worker.start(work)
        [work] = worker.finish_for_more(work).work
        assert work.automation_id == expected
        assert worker.poll().work == ()
    worker.start(work)
    assert worker.finish_for_more(work).work == ()


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
    core.clock.advance(HANDING_SECONDS + 1)
    assert [again.automation_id for again in worker.poll().work] == [second.id]


def test_a_trigger_does_not_overfill_a_worker_whose_poll_is_woken_meanwhile(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1", slots=1)
    poll = worker.poll_in_background()
    triggers = [gevent.spawn(core.run, alice) for _ in range(4)]
    core.dispatch.wake_worker(worker.actor.worker_id)
    gevent.joinall([*triggers, poll], timeout=60, raise_error=True)
    assert len(poll.value.work) == 1
    assert worker.poll().work == ()


def test_a_newer_poll_of_the_same_worker_ends_the_older_one(core: Core, alice: Actor) -> None:
    worker = core.worker(alice.org_id, "w1")
    older = worker.poll_in_background()
    newer = worker.poll_in_background()
    assert older.get(timeout=60).work == ()
    core.run(alice)
    assert len(newer.get(timeout=60).work) == 1


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
