"""A worker whose clock is off gets no work, is shown as such, and loses nobody an automation."""

from __future__ import annotations

import pytest

from opsicle.domain.clocks import MAX_CLOCK_OFFSET_SECONDS, offset_text
from opsicle.server.access.actor import Actor
from opsicle.server.workers.service import Workers
from opsicle.wire.worker_api import LEASE_SECONDS, RefuseRequest
from tests.services.core import Core, TestWorker


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s ahead of"),
        (-90, "1 min 30 s behind"),
        (361, "6 min ahead of"),
        (10_800, "3 h ahead of"),
        (-34_560_000, "400 days behind"),
        (90_061, "1 day 1 h ahead of"),
    ],
)
def test_a_difference_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert offset_text(seconds) == text


@pytest.mark.parametrize("offset", [360.0, 10_800.0, -360.0, MAX_CLOCK_OFFSET_SECONDS + 1])
def test_of_two_workers_the_one_whose_clock_is_right_gets_all_the_work(
    core: Core, alice: Actor, offset: float
) -> None:
    right, wrong = (
        core.worker(alice.org_id, "right", slots=10),
        core.worker(alice.org_id, "wrong", slots=10),
    )
    wrong.clock_offset = offset

    automations = [core.run(alice) for _ in range(10)]

    assert wrong.poll().work == ()
    for work in right.poll().work:
        right.start(work)
        right.finish(work)
    assert {core.state(alice, automation) for automation in automations} == {"succeeded"}


def test_with_that_worker_alone_the_automation_waits_and_says_why_until_the_clock_is_right(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1")
    worker.clock_offset = 10_800.0

    told = worker.poll().withheld
    automation = core.run(alice)
    assert worker.poll().work == ()

    shown = core.automations.get(alice, automation.id)
    assert (shown.state, told) == (
        "queued",
        "its clock is 3 h ahead of the server's",
    )
    assert shown.waiting_reason == f"w1 is given no work: {told}"
    listed = Workers(core.database, core.fleet, core.step_up, core.clock).get(alice, "w1")
    assert (listed.withheld, listed.clock_offset_seconds, listed.is_connected) == (
        told,
        10_800,
        True,
    )

    worker.clock_offset = 1.0
    reply = worker.poll()
    assert (len(reply.work), reply.withheld) == (1, "")


def test_a_held_poll_of_a_worker_whose_clock_is_off_is_offered_nothing(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1")
    worker.clock_offset = -600.0
    worker.poll()
    poll = worker.poll_in_background()

    core.run(alice)

    core.clock.advance(11)
    core.fleet.wake_everyone()
    assert poll.get(timeout=60).work == ()


def test_an_order_that_is_refused_for_its_time_waits_again_and_another_worker_runs_it(
    core: Core, alice: Actor
) -> None:
    wrong, right = core.worker(alice.org_id, "wrong"), core.worker(alice.org_id, "right")
    automation = core.run(alice)
    [work] = wrong.poll().work
    waiting = right.poll_in_background()

    wrong.clock_offset = 400.0
    wrong.refuse_for_its_time(work)

    [again] = waiting.get(timeout=60).work
    assert again.automation_id == automation.id
    right.start(again)
    right.finish(again)
    assert core.state(alice, automation) == "succeeded"


def test_whoever_refused_for_the_time_gets_nothing_for_a_while_even_if_its_clock_seems_right(
    core: Core, alice: Actor
) -> None:
    worker = core.worker(alice.org_id, "w1")
    core.run(alice)
    [work] = worker.poll().work

    worker.refuse_for_its_time(work)

    assert worker.poll().work == ()
    core.clock.advance(LEASE_SECONDS + 1)
    assert len(worker.poll().work) == 1


def test_the_word_of_a_worker_that_cannot_say_its_time_is_understood(
    core: Core, alice: Actor
) -> None:
    old = core.worker(alice.org_id, "w1")
    old.clock_offset = None
    automation = core.run(alice)
    [work] = old.poll().work

    reason = "its order expired 300 s ago: is this worker's clock, or the server's, wrong?"
    core.jobs.refuse(old.actor, work.job_id, RefuseRequest(work.fence, reason))

    assert core.state(alice, automation) == "queued"


def test_a_server_that_was_paused_takes_an_old_poll_for_no_more_than_a_second(
    core: Core, alice: Actor
) -> None:
    worker: TestWorker = core.worker(alice.org_id, "w1")
    worker.clock_offset = -600.0  # sent ten minutes ago, read now
    poll = worker.poll_in_background()
    core.clock.advance(1.1)
    core.fleet.wake_everyone()
    assert poll.get(timeout=60).work == ()

    worker.clock_offset = 0.0
    core.run(alice)
    assert len(worker.poll().work) == 1
