"""An automation that is to begin at a time: checked and asked now, and begun then or never."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.server.approvals.cases import load_unaltered
from opsicle.server.approvals.facts import approval_facts
from opsicle.server.store import approvals
from opsicle.wire.user_api import Automation, RunRequest
from tests.services.core import HELLO, Core
from tests.services.tampering import require_refused
from tests.services.team import Team, template_source

HOUR = timedelta(hours=1)
LIMITED = HELLO.replace("name: hello", "name: limited").replace(
    "spec:\n", "spec:\n  concurrency: {group: one, limit: 1}\n"
)
WITH_PLAN = HELLO.replace("name: hello", "name: thinks").replace(
    "spec:\n", 'spec:\n  plan: [{name: look, commands: ["true"]}]\n'
)


def later(core: Core, hours: float) -> datetime:
    return core.clock.now() + hours * HOUR


def plan(team: Team, hours: float, template: str = "hello", who: str = "alice") -> Automation:
    request = RunRequest(template=template, start_at=later(team.core, hours))
    return team.core.automations.create(team.people[who], request)


def pass_hours(team: Team, hours: float) -> None:
    """Let time go on, and the loop take its turn."""
    team.core.clock.advance(hours * 3600)
    team.core.services.run_windows.turn()


def polled(team: Team, name: str) -> list[str]:
    """Return what a new worker is handed."""
    return [work.automation_id for work in team.core.worker(team.org_id, name).poll().work]


def planned(team: Team, who: str = "alice") -> list[str]:
    page = team.core.automations.planned.list_next(team.people[who], "", 100)
    return [each.id for each in page.items]


@pytest.fixture
def team_with_hello(team: Team) -> Team:
    team.core.push(team.people["alice"])
    return team


def test_it_begins_when_its_time_has_come_and_not_before_though_a_worker_waits(
    team_with_hello: Team,
) -> None:
    team = team_with_hello
    worker = team.core.worker(team.org_id, "w")
    waiting = worker.poll_in_background()

    made = plan(team, 2)
    assert (made.state, made.start_at) == ("queued", later(team.core, 2))
    assert made.waiting_reason.endswith("UTC (set by alice@example.com)")
    pass_hours(team, 1.9)
    assert planned(team) == [made.id]
    pass_hours(team, 0.1)

    [work] = waiting.get(timeout=60).work
    assert work.automation_id == made.id
    worker.start(work)
    assert planned(team) == []


def test_what_is_planned_outlives_a_restart_of_the_server(team_with_hello: Team) -> None:
    team = team_with_hello
    made = plan(team, 2)

    team.restart()
    assert polled(team, "w1") == []
    pass_hours(team, 3)

    assert polled(team, "w2") == [made.id]


def test_people_are_asked_when_it_is_planned_and_read_for_when(team: Team) -> None:
    team.policy()
    team.core.push_again(team.people["carol"], template_source("careful"))
    made = plan(team, 2, "careful")
    row = team.core.database.read(lambda db: approvals.get(db, team.org_id, made.approval_id or ""))
    case = team.core.database.read(lambda db: load_unaltered(db, team.core.bindings, row))
    facts = {fact.label: fact.text for fact in approval_facts(case, team.core.clock.now())}
    assert facts["Planned"].startswith("not before 2")

    team.approve("bob", made, not_before=later(team.core, 1))

    pass_hours(team, 1.5)
    assert polled(team, "w1") == []
    assert planned(team) == [made.id]
    pass_hours(team, 0.5)
    assert polled(team, "w2") == [made.id]


def test_an_approver_may_let_it_begin_later_still(team: Team) -> None:
    team.policy()
    team.core.push_again(team.people["carol"], template_source("careful"))
    made = plan(team, 2, "careful")

    team.approve("bob", made, not_before=later(team.core, 3))

    pass_hours(team, 2.5)
    assert polled(team, "w1") == []
    pass_hours(team, 0.5)
    assert polled(team, "w2") == [made.id]


def test_who_may_no_longer_run_it_when_its_time_has_come_has_it_run_by_nobody(
    team_with_hello: Team,
) -> None:
    team = team_with_hello
    made = plan(team, 2)

    team.change("alice", is_disabled=True)
    pass_hours(team, 2)

    assert polled(team, "w") == []
    assert team.state(made) == "cancelled"
    assert "alice@example.com" in team.why(made)


def test_it_is_cancelled_as_any_other_that_waits(team_with_hello: Team) -> None:
    team = team_with_hello
    made, other = plan(team, 2), plan(team, 1)
    assert planned(team) == [other.id, made.id]

    team.core.automations.cancel(team.people["alice"], made.id)
    pass_hours(team, 2)

    assert planned(team) == [other.id]
    assert polled(team, "w") == [other.id]
    assert team.state(made) == "cancelled"


def test_it_holds_no_place_in_its_group_until_its_time_has_come(team: Team) -> None:
    team.core.push(team.people["alice"], LIMITED)
    early = plan(team, 2, "limited")
    worker = team.core.worker(team.org_id, "w")
    now = team.core.automations.create(team.people["alice"], RunRequest(template="limited"))

    [work] = worker.poll().work
    assert work.automation_id == now.id
    worker.start(work)
    pass_hours(team, 2)
    assert polled(team, "w2") == []
    worker.finish(work)

    assert polled(team, "w3") == [early.id]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE automations SET not_before = NULL, turn = 'ready'",
        "UPDATE automations SET start_at = NULL, not_before = NULL, turn = 'ready'",
        "UPDATE automations SET start_at = created_at, not_before = created_at, turn = 'ready'",
    ],
    ids=["its window", "its time", "both, for an earlier one"],
)
def test_a_time_that_was_altered_behind_the_servers_back_lets_nothing_begin(
    team_with_hello: Team, change: str
) -> None:
    made = plan(team_with_hello, 2)

    team_with_hello.tamper(change)
    team_with_hello.restart()

    require_refused(team_with_hello, made)


def test_a_time_before_all_times_is_refused_as_any_other(team_with_hello: Team) -> None:
    team = team_with_hello
    team.policy()
    asked = team.ask()
    far_off = datetime.fromisoformat("0001-01-01T00:00:00+14:00")

    with pytest.raises(InvalidInput, match="beyond the times") as planned:
        team.core.automations.create(
            team.people["alice"], RunRequest(template="hello", start_at=far_off)
        )
    with pytest.raises(InvalidInput, match="beyond the times") as approved:
        team.approve("bob", asked, not_after=far_off)

    assert [each.value.problems[0].path for each in (planned, approved)] == [
        "start_at",
        "not_after",
    ]


def test_what_cannot_be_planned_is_refused_by_name(team_with_hello: Team) -> None:
    team = team_with_hello
    team.core.push(team.people["alice"], WITH_PLAN)

    for hours, template, message in (
        (-1, "hello", "has passed"),
        (0, "hello", "has passed"),
        (24 * 400, "hello", "more than a year away"),
        (1, "thinks", "would be out of date"),
    ):
        with pytest.raises(InvalidInput, match=message) as refused:
            plan(team, hours, template)
        assert refused.value.problems[0].path == "start_at"


def test_the_same_request_after_its_time_is_answered_with_what_it_has_made(
    team_with_hello: Team,
) -> None:
    team = team_with_hello
    request = RunRequest(template="hello", start_at=later(team.core, 1))
    alice = team.people["alice"]
    made = team.core.automations.create(alice, request, "key")

    pass_hours(team, 2)

    assert team.core.automations.create(alice, request, "key").id == made.id
