"""What starts automations is woken by what it waits for: here no loop looks by the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import gevent
import pytest

from opsicle.server import background
from opsicle.server.access.actor import Actor
from tests.services.chaining import chained, first, run_first
from tests.services.core import Core
from tests.services.fanning import Fanning
from tests.services.scheduling import started
from tests.services.team import Team
from tests.services.template_calls import push_one
from tests.support import wait_until

until: Callable[..., object] = partial(wait_until, pause=gevent.sleep)


@contextmanager
def woken_loops(core: Core) -> Iterator[None]:
    """Have the loops woken that start automations, none of which looks of itself."""
    loops = background.woken_loops(core.services)
    for loop in loops:
        loop.start()
    try:
        yield
    finally:
        for loop in loops:
            loop.stop(60)


@pytest.fixture
def woken(core: Core) -> Iterator[Core]:
    """Return services whose loops are woken."""
    with woken_loops(core):
        yield core


def parts(fanning: Fanning) -> int:
    return sum(each.automation_id is not None for each in fanning.targets)


def carry_out(fanning: Fanning, name: str) -> None:
    work = fanning.take(name)
    fanning.workers[name].finish(work)


def test_an_automation_on_several_machines_takes_what_its_parts_take(
    woken: Core, alice: Actor
) -> None:
    fanning = Fanning(woken, alice).push("labels: {role: edge}, parallel: 2")

    fanning.automation = woken.run(alice, "patch")
    until(lambda: parts(fanning) == 2)
    carry_out(fanning, "e1")
    until(lambda: parts(fanning) == 3)
    carry_out(fanning, "e2")
    carry_out(fanning, "e3")

    until(lambda: fanning.now.state == "succeeded")


def test_one_that_was_approved_begins_and_a_cancel_goes_down_at_once(team: Team) -> None:
    team.policy()
    fanning = Fanning(team.core, team.people["alice"], pusher=team.people["carol"])
    fanning.push("labels: {role: edge}", "approvalPolicy: {policyRef: p}")

    with woken_loops(team.core):
        fanning.automation = team.core.run(fanning.actor, "patch")
        team.approve("bob", fanning.automation)
        until(lambda: parts(fanning) == 3)
        running = fanning.take("e1")

        team.core.automations.cancel(fanning.actor, fanning.automation.id)
        until(lambda: fanning.part("e1").is_cancel_requested)
        fanning.workers["e1"].finish(running, "cancelled", None)

        until(lambda: fanning.now.state == "cancelled")


def test_a_call_is_made_and_its_caller_goes_on_at_once(woken: Core, alice: Actor) -> None:
    calling = push_one(woken, alice).run().begin()
    calling.call()
    until(lambda: calling.called[0].automation_id)
    other = woken.worker(alice.org_id, "other")
    [work] = other.poll().work
    other.start(work)
    waiting = calling.holder.poll_in_background()

    other.finish(work)

    gevent.joinall([waiting], timeout=60)
    assert [work.automation_id for work in waiting.value.work] == [calling.automation.id]


def test_a_cancel_of_a_caller_goes_down_at_once(woken: Core, alice: Actor) -> None:
    calling = push_one(woken, alice).run().begin().call()
    until(lambda: calling.called[0].automation_id)

    woken.automations.cancel(alice, calling.automation.id)

    until(lambda: calling.child().state == "cancelled")


def test_what_follows_an_end_starts_at_once(woken: Core, alice: Actor) -> None:
    woken.push_again(alice, first("onSuccess: [{template: second}]"))
    woken.push_again(alice, first(name="second"))

    automation = run_first(woken, alice)

    until(lambda: chained(woken, alice, automation)[0]["state"] == "started")
    assert len(started(woken, alice)) == 2
