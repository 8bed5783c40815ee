"""Jobs that wait for people in their midst, by the services as the server builds them."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, InvalidInput, LeaseLost, NotAllowed
from opsicle.domain.pauses import ResumeVerdict
from tests.services.pausing import CLEANED, paused, source
from tests.services.team import Team


def test_a_pause_frees_the_slot_and_goes_on_under_a_higher_fence_once_people_agree(
    team: Team,
) -> None:
    case = paused(team, source())
    assert case.now.state == "paused"
    assert "bob@example.com" in case.now.waiting_reason
    other = team.core.run(team.people["alice"], "paused")
    assert case.worker.poll().work[0].automation_id == other.id
    [ready] = case.worker.held.values()
    case.worker.start(ready)
    case.worker.finish(ready)
    fence = case.work.fence

    case.approve(reason="fine")
    resume = case.go_on()

    assert (resume.verdict, resume.phase, resume.paused_fence) == (ResumeVerdict.CONTINUE, 1, fence)
    assert [each.email for each in resume.decisions] == ["bob@example.com"]
    assert case.work.fence > fence
    assert case.now.state == "paused"
    assert "about to go on" in case.now.waiting_reason
    case.worker.start(case.work)
    assert case.now.state == "running"
    assert case.worker.finish(case.work) == "succeeded"
    assert case.now.state == "succeeded"


def test_what_the_old_fence_says_changes_nothing_any_more(team: Team) -> None:
    case = paused(team, source())
    before = case.work
    case.approve()
    case.go_on()

    for call in (case.worker.start, case.worker.finish):
        with pytest.raises(LeaseLost):
            call(before)


def test_pausing_again_with_the_same_words_asks_nobody_twice(team: Team) -> None:
    case = paused(team, source())
    first = case.approval_id

    assert case.worker.pause(case.work, 1) == "paused"

    assert case.approval_id == first


def test_a_lease_that_ends_before_the_job_goes_on_lets_it_wait_again(team: Team) -> None:
    case = paused(team, source())
    case.approve()
    case.go_on()
    first = case.work

    case.worker.held.clear()
    second = case.go_on()

    assert case.work.fence > first.fence
    assert second.paused_fence < first.fence
    with pytest.raises(LeaseLost):
        case.worker.start(first)
    case.worker.start(case.work)
    assert case.now.state == "running"


def test_a_worker_that_dies_before_it_goes_on_has_a_job_that_is_still_paused(
    team: Team,
) -> None:
    case = paused(team, source())
    case.approve()
    case.go_on()

    assert case.worker.finish(case.work, "unknown") == "paused"

    assert case.now.state == "paused"
    assert case.go_on().verdict == ResumeVerdict.CONTINUE


def test_a_worker_that_comes_back_hears_that_its_job_waits_though_it_was_leased_anew(
    team: Team,
) -> None:
    case = paused(team, source())
    before = case.work
    case.approve()
    case.go_on()

    assert case.worker.pause(before, 1) == "paused"


def test_a_restart_of_the_server_changes_nothing_for_a_paused_job(team: Team) -> None:
    case = paused(team, source())

    team.core = team.core.restart()
    case.worker.core = team.core
    team.core.clock.advance(120)
    team.core.jobs.check_leases(0)
    team.core.jobs.check_leases(0)

    assert case.now.state == "paused"
    case.approve()
    assert case.go_on().verdict == ResumeVerdict.CONTINUE


def test_a_decision_while_the_worker_is_away_says_what_it_waits_for(team: Team) -> None:
    case = paused(team, source())
    team.core.clock.advance(3600)

    assert "w1, which holds it, has not been heard of" in case.now.waiting_reason
    case.approve()

    assert "decided, and waits for w1" in case.now.waiting_reason


def test_nobody_decides_on_a_pause_of_their_own_run_or_without_being_named(team: Team) -> None:
    both = source("message: m, approvers: {users: [alice@example.com, bob@example.com]}")
    case = paused(team, both)

    for who in ("alice", "mallory"):
        with pytest.raises(NotAllowed):
            case.approve(who)

    assert case.now.state == "paused"


def test_a_pause_that_nobody_could_pass_is_an_error_when_it_is_triggered(team: Team) -> None:
    own = source("message: m, approvers: {users: [alice@example.com]}")
    team.core.push(team.people["alice"], own)

    with pytest.raises(Conflict, match="phase look of paused could never go on"):
        team.core.run(team.people["alice"], "paused")


def test_values_are_checked_as_those_of_templates_and_all_agree_to_the_same(team: Team) -> None:
    asked = "variables: [{id: lag, type: number, isRequired: true, max: 10}]"
    who = "approvers: {users: [bob@example.com, carol@example.com]}, required: 2"
    case = paused(team, source(f"message: m, {who}, {asked}"))

    for wrong in ({}, {"lag": 11}, {"lag": "many"}, {"lag": 1, "else": 2}):
        with pytest.raises(InvalidInput) as refused:
            case.approve(values=wrong)
    assert refused.value.problems[0].message == "this pause has no variable `else`"
    case.approve(values={"lag": 3})
    with pytest.raises(Conflict, match="other values"):
        case.approve("carol", values={"lag": 4})
    case.approve("carol")

    assert case.go_on().values == {"lag": 3}


@pytest.mark.parametrize(("end", "state"), [("reject", "rejected"), ("cancel", "cancelled")])
def test_a_pause_that_is_not_passed_ends_at_once_where_nothing_is_left_to_clean_up(
    team: Team, end: str, state: str
) -> None:
    case = paused(team, source())

    getattr(case, end)()

    assert case.now.state == state
    assert case.worker.poll().drop == (case.work.job_id,)


@pytest.mark.parametrize(
    ("end", "state"), [("reject", "rejected"), ("expire", "expired"), ("cancel", "cancelled")]
)
def test_a_pause_that_is_not_passed_has_its_clean_up_phases_run_first(
    team: Team, end: str, state: str
) -> None:
    case = paused(team, source(after=CLEANED))

    if end == "expire":
        team.core.clock.advance(86_401)
        case.worker.poll()
        team.core.approvals.keep_time()
    else:
        getattr(case, end)()
    assert case.now.state == "paused"
    assert case.go_on().verdict == ResumeVerdict.STOP

    case.worker.start(case.work)
    case.worker.finish(case.work, "cancelled", None)
    assert case.now.state == state


def test_a_worker_that_is_gone_for_good_keeps_nobody_from_cancelling(team: Team) -> None:
    case = paused(team, source(after=CLEANED))
    team.core.services.workers.revoke(team.people["carol"], "w1")
    assert "revoked, so it cannot go on: cancel it" in case.now.waiting_reason

    ended = case.cancel()

    assert ended.state == "cancelled"
    assert "clean-up phases did not run" in ended.explanation


def test_a_worker_that_is_away_is_not_waited_for_by_who_cancels(team: Team) -> None:
    case = paused(team, source(after=CLEANED))
    team.core.clock.advance(3600)

    assert case.cancel().state == "cancelled"


def test_a_cancel_after_the_decision_and_before_the_job_goes_on_stops_it(team: Team) -> None:
    case = paused(team, source(after=CLEANED))
    case.approve()

    case.cancel()

    assert case.go_on().verdict == ResumeVerdict.STOP


def test_whoever_may_no_longer_decide_lets_nothing_go_on(team: Team) -> None:
    case = paused(team, source(after=CLEANED))
    case.approve()
    team.change("bob", role=BuiltInRole.REPORTER)

    resume = case.go_on()

    assert resume.verdict == ResumeVerdict.STOP
    assert "no longer hold" in resume.reason
