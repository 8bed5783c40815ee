"""How many automations of an org run and wait, and how many of a template wait, at most."""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, TooManyRequests
from opsicle.server.access.actor import Actor
from opsicle.wire.org_api import UpdateOrgRequest
from opsicle.wire.user_api import RunRequest
from opsicle.wire.worker_api import LEASE_SECONDS
from tests.services.core import Core
from tests.services.queueing import (
    LONG_SECONDS,
    drain,
    given,
    grouped,
    hold_polls_for_long,
    reason,
    source,
    wait_until_held,
)
from tests.services.team import Team, template_source

LIMIT = "org limit of 2 running reached"


@pytest.fixture(autouse=True)
def _polls_that_end_only_when_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_polls_for_long(monkeypatch)


@pytest.fixture
def carol(core: Core, alice: Actor) -> Actor:
    """Return an admin of Alice's org, who need not show a code."""
    return core.person(alice.org_id, "carol", BuiltInRole.ADMIN)


def limit(core: Core, admin: Actor, **limits: int | None) -> None:
    """Set limits of an org called acme, as its admin does."""
    actor = msgspec.structs.replace(admin, org_code="acme")
    core.services.orgs.update(actor, "acme", UpdateOrgRequest(**limits))


def test_no_more_automations_of_an_org_run_than_it_lets(
    core: Core, alice: Actor, carol: Actor
) -> None:
    limit(core, carol, max_running=2)
    fleet = [core.worker(alice.org_id, f"w{n}", slots=8) for n in range(2)]
    runs = [core.run(alice) for _ in range(4)]

    assert [given(worker) for worker in fleet] == [[runs[0].id, runs[1].id], []]
    assert [reason(core, alice, run) for run in runs[2:]] == [LIMIT, LIMIT]
    poll = fleet[1].poll_in_background(LONG_SECONDS)
    assert core.run(alice).waiting_reason == LIMIT
    wait_until_held(fleet[1])

    work = next(iter(fleet[0].held.values()))
    fleet[0].finish(work)

    assert [each.automation_id for each in poll.get(timeout=60).work] == [runs[2].id]
    limit(core, carol, max_running=None)
    assert len(given(fleet[0])) == 2


def test_a_limit_that_is_raised_is_made_use_of_at_once(
    core: Core, alice: Actor, carol: Actor
) -> None:
    limit(core, carol, max_running=1)
    worker, other = (core.worker(alice.org_id, name) for name in ("w1", "w2"))
    core.run(alice)
    second = core.run(alice)
    given(worker)
    poll = other.poll_in_background(LONG_SECONDS)

    limit(core, carol, max_running=2)

    assert [each.automation_id for each in poll.get(timeout=60).work] == [second.id]


def test_the_limit_outlasts_a_restart_and_a_lost_worker_gives_its_place_back(
    core: Core, alice: Actor, carol: Actor
) -> None:
    limit(core, carol, max_running=1)
    worker, other = (core.worker(alice.org_id, name) for name in ("w1", "w2"))
    core.run(alice)
    second = core.run(alice)
    given(worker)
    core = core.restart()
    other.core = core
    assert given(other) == []
    poll = other.poll_in_background(LONG_SECONDS)

    core.clock.advance(LEASE_SECONDS + 1)
    core.jobs.expire()

    assert [each.automation_id for each in poll.get(timeout=60).work] == [second.id]
    core.close()


def test_an_org_at_its_limit_leaves_a_shared_worker_to_others(core: Core) -> None:
    people = []
    for code in ("acme", "globex"):
        org_id = core.org(code)
        core.allow_shared(org_id)
        people.append(core.person(org_id, f"of-{code}", BuiltInRole.ADMIN))
        core.push(people[-1])
    limit(core, people[0], max_running=1)
    acme = [core.run(people[0]).id for _ in range(3)]
    globex = [core.run(people[1]).id for _ in range(3)]
    shared = core.shared_worker(people[0].org_id, "shared", slots=3)

    first = given(shared)

    assert first == [acme[0], globex[0], globex[1]]
    assert sorted(drain(shared)) == sorted([*acme[1:], globex[2]])


def test_what_waits_beyond_the_limit_of_its_org_is_refused(core: Core) -> None:
    team = Team(core)
    team.policy()
    core.push(team.people["alice"])
    core.push(team.people["alice"], template_source("careful"))
    limit(core, team.people["carol"], max_waiting=2)
    team.ask("careful")
    waits = team.ask("hello")

    with pytest.raises(TooManyRequests) as refused:
        team.ask("hello")

    assert refused.value.message == "2 automations of this org wait already, and no more may"
    assert "--max-waiting" in refused.value.hint
    given(core.worker(team.org_id, "w1"))
    assert team.state(waits) == "running"
    team.ask("hello")


def test_what_waits_beyond_the_limit_of_its_template_is_refused(core: Core, alice: Actor) -> None:
    core.push(alice, source("report", "maxWaiting: 2"))
    for _ in range(2):
        core.run(alice, "report")

    with pytest.raises(TooManyRequests, match="2 automations of report wait already"):
        core.run(alice, "report")

    core.run(alice)


def test_a_request_that_is_sent_again_is_answered_though_the_queue_is_full(
    core: Core, alice: Actor
) -> None:
    core.push(alice, source("report", "maxWaiting: 1"))
    request = RunRequest(template="report", values={})
    first = core.automations.create(alice, request, "key-1")

    assert core.automations.create(alice, request, "key-1").id == first.id
    with pytest.raises(TooManyRequests):
        core.automations.create(alice, request, "key-2")


def test_the_limit_of_the_org_holds_besides_that_of_a_group(
    core: Core, alice: Actor, carol: Actor
) -> None:
    core.push(alice, grouped("backup", ", limit: 3"))
    core.push(alice, grouped("once", ", onLimit: reject"))
    limit(core, carol, max_running=2)
    worker = core.worker(alice.org_id, "w1", slots=8)
    runs = [core.run(alice, "backup").id for _ in range(4)]

    assert given(worker) == runs[:2]
    with pytest.raises(Conflict):
        core.run(alice, "once")
    assert drain(worker) == runs[2:]
