"""What people choose after a failure, and rows of pauses that were changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed
from opsicle.domain.pauses import Choice, ResumeVerdict
from tests.services.pausing import ASKS, BOB, CLEANED, Paused, paused, source
from tests.services.team import Team


@pytest.mark.parametrize(
    ("choice", "verdict"),
    [
        (Choice.RETRY, ResumeVerdict.RETRY),
        (Choice.SKIP, ResumeVerdict.SKIP),
        (Choice.ABORT, ResumeVerdict.ABORT),
    ],
)
def test_the_requester_chooses_what_becomes_of_a_failure(
    team: Team, choice: Choice, verdict: ResumeVerdict
) -> None:
    case = paused(team, ASKS.replace("\n      \n", f"\n      {CLEANED}\n"), 0)
    with pytest.raises(InvalidInput):
        case.approve("alice")
    with pytest.raises(NotAllowed):
        case.approve("mallory", choice=choice)

    case.approve("alice", choice=choice)

    assert case.go_on().verdict == verdict


def test_who_has_chosen_is_not_told_that_another_choice_counts(team: Team) -> None:
    case = paused(team, ASKS, 0)
    case.approve("alice", choice=Choice.RETRY)

    with pytest.raises(Conflict, match="over"):
        case.approve("alice", choice=Choice.SKIP)
    case.approve("alice", choice=Choice.RETRY)
    case.approve("alice")

    assert case.go_on().verdict == ResumeVerdict.RETRY


def test_who_has_given_values_is_not_told_that_other_ones_count(team: Team) -> None:
    asked = f"message: Look!, {BOB}, variables: [{{id: lag, type: number}}]"
    case = paused(team, source(asked))
    case.approve(values={"lag": 4})

    for other in ({"lag": 5}, {"leg": 4}):
        with pytest.raises((Conflict, InvalidInput)):
            case.approve(values=other)
    case.approve(values={"lag": 4})
    case.approve()

    assert case.go_on().values == {"lag": 4}


def test_a_failure_that_nobody_chooses_for_stands(team: Team) -> None:
    case = paused(team, ASKS, 0)

    team.core.clock.advance(timedelta(days=1, seconds=1).total_seconds())
    team.core.approvals.keep_time()

    assert case.now.state == "failed"


TAMPERED = {
    "another phase": "UPDATE approvals SET phase = 0 WHERE kind = 'pause'",
    "another state": "UPDATE approvals SET state = 'approved', ended_at = asked_at"
    " WHERE kind = 'pause'",
    "other people": "UPDATE approvals SET policy = replace(policy, 'bob', 'eve')"
    " WHERE kind = 'pause'",
    "other values": "DROP TRIGGER approval_answers_are_immutable;"
    ' UPDATE approval_decisions SET answer = \'{"values":{"x":1}}\'',
    "no rejection": "UPDATE approvals SET state = 'approved' WHERE kind = 'pause'",
}


@pytest.mark.parametrize(("name", "sql"), TAMPERED.items(), ids=TAMPERED)
def test_rows_that_were_changed_behind_the_servers_back_let_nothing_go_on(
    team: Team, name: str, sql: str
) -> None:
    case = paused(team, source(after=CLEANED))
    if name == "no rejection":
        case.reject()
    elif name != "another state":
        case.approve()

    team.core.database.write(lambda db: db.execute(sql))

    assert case.worker.poll().work == ()
    assert case.now.state == "cancelled"
    assert "did not go on" in case.now.explanation


def test_a_job_that_has_gone_on_does_not_again_when_its_rows_are_put_back(team: Team) -> None:
    case = paused(team, source())
    case.approve()
    case.go_on()
    case.worker.start(case.work)

    def put_back(db: object) -> None:
        db.execute("UPDATE jobs SET state = 'paused'")
        db.execute("UPDATE automations SET state = 'paused'")

    team.core.database.write(put_back)
    case.worker.held.clear()

    assert case.worker.poll().work == ()
    assert "by the record" in case.now.explanation


def test_a_pause_of_a_job_that_was_taken_for_lost_is_the_truth(team: Team) -> None:
    team.core.push(team.people["alice"], source())
    worker = team.core.worker(team.org_id, "w1")
    automation = team.core.run(team.people["alice"], "paused")
    [work] = worker.poll().work
    worker.start(work)
    team.core.clock.advance(60)
    team.core.jobs.expire()
    case = Paused(team, worker, automation, work)
    assert case.now.state == "unknown"

    assert worker.pause(work, 1) == "paused"

    case.approve()
    assert case.go_on().verdict == ResumeVerdict.CONTINUE
