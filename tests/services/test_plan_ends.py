"""What a plan leaves behind: its log, and nothing to undo where it has failed."""

from __future__ import annotations

import time
from base64 import b64decode
from datetime import timedelta

import pytest

from opsicle.domain.patterns import SearchPattern
from opsicle.server.automations.live_streams import AutomationChanged
from opsicle.server.dispatch.log_pages import LineRange
from opsicle.server.logs.search import LineQuery, SearchBudget
from opsicle.wire.worker_api import LogRequest
from tests.services.planning import LOG, finish, plan, push, shown, take
from tests.services.team import Team
from tests.services.test_live_streams import Follower, text_of


@pytest.mark.parametrize("has_run", [False, True])
def test_what_follows_a_failure_starts_only_if_something_has_run(team: Team, has_run: bool) -> None:
    team.core.push(team.people["alice"])
    push(team, "onFailure: [{template: hello}]")
    asked = team.ask("planned")
    worker, work = take(team)
    if has_run:
        finish(worker, work)
        worker, work = take(team, worker)

    finish(worker, work, "failed")

    now = shown(team, asked)
    assert now.state == "failed"
    assert [start.state for start in now.chained_starts] == ["due" if has_run else "not_due"]


def test_the_log_of_a_plan_stays_while_people_decide_however_long_that_takes(
    team: Team,
) -> None:
    push(team)
    team.policy("{name: boss, approvers: {manager: true}, expiresAfter: 2592000}")
    asked = plan(team, team.ask("planned"))
    team.core.clock.advance(20 * 24 * 3600)

    assert team.core.services.log_retention.prune(timedelta(days=1)) == 0

    team.approve("bob", asked)
    worker, work = take(team)
    assert [phase.name for phase in work.phases] == ["act"]
    finish(worker, work, log=b"applied\n")
    newest = team.core.automations.newest_job
    of_plan = newest(team.people["alice"], asked.id, of_plan=True)
    assert of_plan
    [[chunk]] = team.core.job_logs.read(of_plan.id, 0)
    assert chunk[4] == LOG
    logs, alice = team.core.services.logs, team.people["alice"]
    lines = [logs.lines(alice, asked.id, LineRange(), of_plan=plan) for plan in (True, False)]
    assert [page.job_id == of_plan.id for page in lines] == [True, False]
    texts = [b"".join(b64decode(line.data) for line in page.lines) for page in lines]
    assert texts == [LOG, b"applied\n"]
    query = LineQuery(SearchPattern("applied", is_regex=False, ignores_case=False))
    budget = SearchBudget(time.monotonic() + 60, 5)
    found = [
        logs.find(alice, asked.id, query, "", budget, of_plan=plan).matches
        for plan in (True, False)
    ]
    assert found == [0, 1]


def test_who_follows_a_plan_sees_its_log_before_they_hear_that_it_waits_for_people(
    team: Team,
) -> None:
    team.policy()
    push(team)
    asked = team.ask("planned")
    worker, work = take(team)
    follower = Follower(team.core, team.people["alice"], work)

    finish(worker, work)

    output, changed = follower.take()
    assert text_of([output]) == LOG
    assert isinstance(changed, AutomationChanged)
    assert (changed.automation.id, changed.automation.state) == (asked.id, "awaiting_approval")
    follower.greenlet.kill()


def test_the_last_line_of_a_log_that_has_ended_is_whole_without_a_line_feed(team: Team) -> None:
    push(team, "timeout: 60")
    asked = team.ask("planned")
    worker, work = take(team)
    chunks = ((0, 0, 1, 0, b"one\ntwo"),)
    team.core.jobs.log(worker.actor, work.job_id, LogRequest(fence=work.fence, chunks=chunks))

    def whole() -> list[bool]:
        found = team.core.services.logs.lines(team.people["alice"], asked.id, LineRange())
        return [line.is_whole for line in found.lines]

    assert whole() == [True, False]
    finish(worker, work, "failed", log=b"one\ntwo")
    assert whole() == [True, True]
