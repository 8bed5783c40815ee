"""Nothing starts in an org that is suspended, whatever way it comes; what runs goes on."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import Conflict, LeaseLost, NotAllowed, Suspended
from opsicle.server.access.actor import Actor
from opsicle.wire.operation_api import SuspendRequest
from tests.services import chaining
from tests.services.calling import Sender, calls_of, push_trigger
from tests.services.core import Core
from tests.services.fanning import Fanning
from tests.services.operating import server_operator
from tests.services.pausing import paused, source
from tests.services.scheduling import HOURLY, push_schedule, show, started
from tests.services.scheduling import turn as turn_schedules
from tests.services.team import Team

SAID = "the org is suspended: the invoice is open"


@pytest.fixture
def oscar(core: Core) -> Actor:
    return server_operator(core)


def suspend(core: Core, oscar: Actor, **more: bool) -> None:
    request = SuspendRequest(reason="the invoice is open", **more)
    core.services.org_status.suspend(oscar, "acme", request)


def resume(core: Core, oscar: Actor) -> None:
    core.services.org_status.resume(oscar, "acme")


def test_neither_people_nor_schedules_nor_triggers_nor_chains_start_anything(
    core: Core, alice: Actor, oscar: Actor
) -> None:
    push_schedule(core, alice, HOURLY)
    secret = push_trigger(core, alice).secret
    core.push_again(alice, chaining.first("onSuccess: [{template: hello}]"))
    turn_schedules(core)
    parent = chaining.run_first(core, alice)
    before = len(started(core, alice))

    suspend(core, oscar)
    core.clock.advance(3600)
    turn_schedules(core)
    chaining.turn(core)
    with pytest.raises(Suspended, match=SAID):
        core.run(alice)
    with pytest.raises(Suspended):
        core.automations.rerun(alice, parent.id)
    with pytest.raises(Conflict):
        Sender(core, secret or "").send({})

    assert len(started(core, alice)) == before
    last = show(core, alice).last_start
    assert last is not None
    assert (last.outcome, last.reason) == ("refused", SAID)
    assert calls_of(core, alice)[0].reason == SAID
    [chained] = core.automations.get(alice, parent.id).chained_starts
    assert (chained.state, chained.reason) == ("refused", SAID)

    resume(core, oscar)
    assert core.run(alice).state == "queued"


def test_no_worker_is_given_anything_and_what_runs_ends_as_ever(
    core: Core, alice: Actor, oscar: Actor
) -> None:
    core.allow_shared(alice.org_id)
    own = core.worker(alice.org_id, "own", slots=3)
    shared = core.shared_worker(oscar.org_id, "shared", slots=3)
    running, leased = core.run(alice), core.run(alice)
    first, second = own.poll().work
    own.start(first)

    suspend(core, oscar)
    with pytest.raises(LeaseLost):
        own.start(second)
    own.finish(first)
    own.held.clear()
    core.clock.advance(600)
    core.jobs.check_leases(600.0)

    assert core.state(alice, running) == "succeeded"
    assert (own.poll().work, shared.poll().work) == ((), ())
    waiting = core.automations.get(alice, leased.id)
    assert (waiting.state, waiting.waiting_reason) == ("queued", SAID)

    poll = own.poll_in_background()
    resume(core, oscar)
    assert [work.automation_id for work in poll.get(timeout=60).work] == [leased.id]


def test_what_runs_is_cancelled_where_that_is_asked_for(
    core: Core, alice: Actor, oscar: Actor
) -> None:
    worker = core.worker(alice.org_id, "w")
    running, waiting = core.run(alice), core.run(alice)
    [work] = worker.poll().work
    worker.start(work)

    suspend(core, oscar, cancels_running=True)

    assert core.state(alice, waiting) == "cancelled"
    assert work.job_id in worker.poll().cancel
    assert core.state(alice, running) == "running"


def test_a_paused_job_that_may_go_on_does_not_in_a_suspended_org(team: Team) -> None:
    case = paused(team, source())
    case.approve()
    [ready] = case.worker.poll().work
    oscar = server_operator(team.core)

    team.core.services.org_status.suspend(oscar, "acme", SuspendRequest())
    with pytest.raises(LeaseLost):
        case.worker.start(ready)

    team.core.services.org_status.resume(oscar, "acme")
    case.worker.start(ready)
    assert case.now.state == "running"


def test_nobody_approves_in_a_suspended_org(team: Team) -> None:
    team.policy()
    asked = team.ask()
    oscar = server_operator(team.core)
    team.core.services.org_status.suspend(oscar, "acme", SuspendRequest())

    with pytest.raises(Suspended):
        team.approve("bob", asked)
    assert team.state(asked) == "awaiting_approval"

    team.core.services.org_status.resume(oscar, "acme")
    team.approve("bob", asked)
    assert team.state(asked) == "queued"


def test_parts_on_several_machines_wait_until_the_org_goes_on(
    core: Core, alice: Actor, oscar: Actor
) -> None:
    fanning = Fanning(core, alice).push()
    fanning.automation = core.run(alice, "patch")
    suspend(core, oscar)
    fanning.turn()
    assert fanning.now.state == "queued"
    assert not any(target.automation_id for target in fanning.targets)

    resume(core, oscar)
    fanning.turn()
    assert any(target.automation_id for target in fanning.targets)


def test_only_who_runs_the_server_suspends(core: Core, alice: Actor) -> None:
    with pytest.raises(NotAllowed):
        core.services.org_status.suspend(alice, "acme", SuspendRequest())
