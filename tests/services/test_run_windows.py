"""An approval with a window: it runs if it can begin in that, or never."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from opsicle.domain.approvals import ApprovalState
from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.server.store import audit
from opsicle.wire.approval_api import DecisionRequest
from opsicle.wire.user_api import Automation
from tests.services.core import TestWorker
from tests.services.team import Team, template_source

TWO_GATES = (
    "{name: boss, approvers: {manager: true}},"
    " {name: office, approvers: {users: [dave@example.com]}}"
)
HOUR = timedelta(hours=1)


def at(team: Team, hours: float) -> datetime:
    return team.core.clock.now() + hours * HOUR


def pass_hours(team: Team, hours: float) -> None:
    """Let time go on, and the loop take its turns; who is connected stays so."""
    team.core.clock.advance(hours * 3600)
    team.core.approvals.keep_time()
    team.core.services.run_windows.turn()


def poll(team: Team, worker: TestWorker | None = None) -> list[str]:
    worker = worker or team.core.worker(team.org_id, f"w{team.core.clock.elapsed()}")
    return [work.automation_id for work in worker.poll().work]


def waiting_reason(team: Team, automation: Automation) -> str:
    return team.core.automations.get(team.people["alice"], automation.id).waiting_reason


@pytest.fixture
def two_gates(team: Team) -> Automation:
    team.policy(TWO_GATES)
    return team.ask()


def test_it_waits_for_its_window_says_so_and_is_handed_out_when_that_opens(
    team: Team, asked: Automation
) -> None:
    team.approve("bob", asked, not_before=at(team, 2), not_after=at(team, 4))

    assert team.state(asked) == "queued"
    assert waiting_reason(team, asked).startswith("not before 2026-")
    assert waiting_reason(team, asked).endswith("UTC (set by bob@example.com)")
    assert poll(team) == []
    assert team.core.services.figures.queue() == {"window": 1}

    pass_hours(team, 1.9)
    assert poll(team) == []

    pass_hours(team, 0.1)
    assert poll(team) == [asked.id]


def test_an_open_poll_gets_it_at_the_moment_at_which_the_window_opens(
    team: Team, asked: Automation
) -> None:
    team.approve("bob", asked, not_before=at(team, 1))
    worker = team.core.worker(team.org_id, "w")

    waiting = worker.poll_in_background()

    team.core.clock.advance(3600)
    team.core.services.run_windows.turn()

    assert [work.automation_id for work in waiting.get(timeout=60).work] == [asked.id]


def test_what_has_not_begun_when_its_window_closes_expires_and_never_runs(
    team: Team, asked: Automation
) -> None:
    team.approve("bob", asked, not_after=at(team, 1))

    pass_hours(team, 1)

    assert team.state(asked) == "expired"
    assert team.why(asked).startswith("its window closed before it began: not after 2026-")
    assert "set by bob@example.com" in team.why(asked)
    assert team.show("bob", asked).state == ApprovalState.APPROVED
    assert poll(team) == []


def test_a_worker_that_asks_before_the_loop_takes_its_turn_gets_nothing_that_is_too_late(
    team: Team, asked: Automation
) -> None:
    other = team.ask()
    team.approve("bob", asked, not_after=at(team, 1))
    team.approve("bob", other)
    team.core.clock.advance(3600)

    assert poll(team) == [other.id], "behind it the next one is looked at"
    assert team.state(asked) == "expired"


def test_what_has_begun_goes_on_but_is_not_handed_out_again(team: Team) -> None:
    team.policy()
    source = template_source("again").replace("spec:", "spec:\n  onWorkerLost: requeue", 1)
    team.core.push(team.people["alice"], source)
    asked = team.ask("again")
    team.approve("bob", asked, not_after=at(team, 1))
    worker = team.core.worker(team.org_id, "w")
    [work] = worker.poll().work
    worker.start(work)

    pass_hours(team, 2)
    assert team.state(asked) == "running"

    team.core.jobs.expire()
    pass_hours(team, 0)
    assert team.state(asked) == "expired"


def test_windows_of_several_gates_hold_together(team: Team, two_gates: Automation) -> None:
    team.approve("bob", two_gates, not_before=at(team, 1), not_after=at(team, 5))
    shown = team.approve("dave", two_gates, not_before=at(team, 2), not_after=at(team, 6))

    assert "set by dave@example.com" in shown.window.split(", ")[0]
    assert "set by bob@example.com" in shown.window.split(", ")[1]
    pass_hours(team, 1.5)
    assert poll(team) == []
    pass_hours(team, 1)
    assert poll(team) == [two_gates.id]


def test_a_window_that_leaves_no_moment_is_refused_with_whose_it_does_not_meet(
    team: Team, two_gates: Automation
) -> None:
    team.approve("bob", two_gates, not_before=at(team, 5))

    with pytest.raises(Conflict, match=r"not before .* \(set by bob@example.com\), not after"):
        team.approve("dave", two_gates, not_after=at(team, 5))

    team.approve("dave", two_gates, not_after=at(team, 6))
    assert team.state(two_gates) == "queued"


def test_a_window_that_closes_before_all_have_agreed_ends_the_request(
    team: Team, two_gates: Automation
) -> None:
    team.approve("bob", two_gates, not_after=at(team, 1))

    pass_hours(team, 1)

    assert team.state(two_gates) == "expired"
    assert team.show("bob", two_gates).state == ApprovalState.EXPIRED
    assert "set by bob@example.com" in team.why(two_gates)
    with pytest.raises(Conflict):
        team.approve("dave", two_gates)


@pytest.mark.parametrize(
    ("hours", "path"),
    [((None, -1), "not_after"), ((3, 2), "not_after"), ((2, 2), "not_after")],
)
def test_a_window_that_makes_no_sense_is_refused(
    team: Team, asked: Automation, hours: tuple[float | None, float], path: str
) -> None:
    times = [None if each is None else at(team, each) for each in hours]

    with pytest.raises(InvalidInput) as refused:
        team.approve("bob", asked, not_before=times[0], not_after=times[1])

    assert [problem.path for problem in refused.value.problems] == [path]
    assert team.state(asked) == "awaiting_approval"


def test_a_rejection_has_no_window_and_a_time_has_a_zone(team: Team, asked: Automation) -> None:
    with pytest.raises(InvalidInput, match="only an approval to run has a window"):
        team.reject("bob", asked, not_before=at(team, 1))
    with pytest.raises(msgspec.ValidationError, match="timezone"):
        msgspec.json.decode(b'{"not_before": "2026-03-01T22:00:00"}', type=DecisionRequest)


def test_whoever_has_agreed_cannot_add_a_window_and_believe_that_it_counts(
    team: Team, two_gates: Automation
) -> None:
    team.approve("bob", two_gates, not_before=at(team, 1))

    team.approve("bob", two_gates)
    team.approve("bob", two_gates, not_before=at(team, 1))
    with pytest.raises(Conflict, match="a decision stays"):
        team.approve("bob", two_gates, not_before=at(team, 2))


def test_the_window_stands_in_the_record(team: Team, asked: Automation) -> None:
    team.approve("bob", asked, not_before=at(team, 1))

    [entry] = [
        each
        for each in team.core.database.read(
            lambda db: audit.list_decisive(db, team.org_id, f"approvals/{asked.approval_id}")
        )
        if each.verb == "approve"
    ]
    assert msgspec.json.decode(entry.data)["not_before"].startswith("2026-")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE automations SET not_before = NULL, turn = 'ready'",
        "UPDATE automations SET not_after = NULL",
        "UPDATE automations SET not_after = '2099-01-01T00:00:00.000000Z'",
    ],
)
def test_a_window_changed_behind_the_servers_back_lets_nothing_run(
    team: Team, asked: Automation, sql: str
) -> None:
    team.approve("bob", asked, not_before=at(team, 1), not_after=at(team, 2))
    team.tamper(sql)

    pass_hours(team, 1.5)

    assert poll(team) == []
    assert team.why(asked) == (
        "it was not run: the window in which it may begin is not the one that was approved"
    )


def test_a_decisions_own_window_changed_behind_the_servers_back_lets_nothing_run(
    team: Team, asked: Automation
) -> None:
    team.approve("bob", asked, not_after=at(team, 2))
    team.tamper("DROP TRIGGER approval_windows_are_immutable")
    team.tamper("UPDATE approval_decisions SET not_after = NULL")
    team.tamper("UPDATE automations SET not_after = NULL")

    assert poll(team) == []
    assert "the decision of bob@example.com" in team.why(asked)


def test_a_turn_given_behind_the_servers_back_is_taken_away_until_the_window_opens(
    team: Team, asked: Automation
) -> None:
    team.approve("bob", asked, not_before=at(team, 1))
    team.tamper("UPDATE automations SET turn = 'ready'")

    assert poll(team) == []
    assert waiting_reason(team, asked).startswith("not before")
    pass_hours(team, 1)
    assert poll(team) == [asked.id]


def test_it_stands_in_its_concurrency_group_from_when_its_window_opens(team: Team) -> None:
    team.policy()
    source = template_source("alone").replace(
        "spec:", "spec:\n  concurrency: {group: db, limit: 1}", 1
    )
    team.core.push(team.people["alice"], source)
    early, late = team.ask("alone"), team.ask("alone")
    team.approve("bob", early, not_before=at(team, 1))
    team.approve("bob", late)
    worker = team.core.worker(team.org_id, "w")

    [work] = worker.poll().work
    assert work.automation_id == late.id
    worker.start(work)
    pass_hours(team, 1)
    assert waiting_reason(team, early) == "behind 1 other of group db"

    worker.finish(work)
    assert poll(team, worker) == [early.id]


def test_a_restart_forgets_no_window(team: Team, asked: Automation) -> None:
    team.approve("bob", asked, not_before=at(team, 1))

    team.restart()
    assert poll(team) == []

    pass_hours(team, 1)
    assert poll(team) == [asked.id]
