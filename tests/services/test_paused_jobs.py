"""Jobs that wait for people in their midst, by the services as the server builds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import msgspec
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.approvals import Verdict
from opsicle.domain.errors import Conflict, InvalidInput, LeaseLost, NotAllowed
from opsicle.domain.manifests import WorkOrder
from opsicle.domain.pauses import Choice, Resume, ResumeVerdict
from opsicle.wire.approval_api import Approval, DecisionRequest
from opsicle.wire.jobs import Work
from opsicle.wire.user_api import Automation
from tests.services.team import Team
from tests.services.core import Core, TestWorker

BOB = "approvers: {users: [bob@example.com]}"


def source(pause: str = f"message: Look!, {BOB}", name: str = "paused", after: str = "") -> str:
    return f"""
apiVersion: v1
type: AutomationTemplate
metadata: {{name: {name}}}
spec:
  template:
    phases:
      - {{name: before, commands: ["true"]}}
      - {{name: look, pause: {{{pause}}}}}
      - {{name: after, commands: ["true"]}}
      {after}
"""


ASKS = (
    source()
    .replace("      - {name: look, pause: {message: Look!, " + BOB + "}}\n", "")
    .replace(
        '{name: before, commands: ["true"]}', '{name: before, commands: ["false"], onFailure: ask}'
    )
)
CLEANED = '- {name: tidy, commands: ["true"], when: always}'


@dataclass
class Paused:
    """One job of Alice's that waits, on a worker with one slot."""

    team: Team
    worker: TestWorker
    automation: Automation
    work: Work

    @property
    def core(self) -> Core:
        return self.team.core

    @property
    def now(self) -> Automation:
        return self.core.automations.get(self.team.people["alice"], self.automation.id)

    @property
    def approval_id(self) -> str:
        [(found,)] = self.core.database.read(
            lambda db: list(
                db.execute(
                    "SELECT id FROM approvals WHERE automation_id = ? AND kind <> 'run'"
                    " ORDER BY id DESC LIMIT 1",
                    (self.automation.id,),
                )
            )
        )
        return str(found)

    def decide(self, who: str, verdict: Verdict, **said: object) -> Approval:
        actor, request = self.team.people[who], DecisionRequest(**said)
        self.core.approvals.decide(actor, self.approval_id, verdict, request)
        return self.core.approvals.get(actor, self.approval_id)

    def approve(self, who: str = "bob", **said: object) -> Approval:
        return self.decide(who, Verdict.APPROVE, **said)

    def reject(self, who: str = "bob", **said: object) -> Approval:
        return self.decide(who, Verdict.REJECT, **said)

    def cancel(self) -> Automation:
        return self.core.automations.cancel(self.team.people["alice"], self.automation.id)

    def go_on(self) -> Resume:
        """Let the worker poll, and return what the order says that it is to do."""
        [work] = self.worker.poll().work
        self.work = work
        resume = order_of(work).resume
        assert resume is not None
        return resume


def order_of(work: Work) -> WorkOrder:
    return msgspec.json.decode(work.order, type=WorkOrder)


def paused(team: Team, text: str, phase: int = 1, *done: str) -> Paused:
    team.core.push(team.people["alice"], text)
    name = text.split("name: ", 1)[1].split("}", maxsplit=1)[0]
    worker = team.core.worker(team.org_id, "w1")
    automation = team.core.run(team.people["alice"], name)
    [work] = worker.poll().work
    worker.start(work)
    assert worker.pause(work, phase, *done) == "paused"
    return Paused(team, worker, automation, work)


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

    for call in (case.worker.start, case.worker.finish, lambda work: case.worker.pause(work, 1)):
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


def test_a_restart_of_the_server_changes_nothing_for_a_paused_job(team: Team) -> None:
    case = paused(team, source())

    team.core = team.core.restart()
    case.worker.core = team.core
    team.core.clock.advance(120)
    team.core.jobs.judge_leases(0)
    team.core.jobs.judge_leases(0)

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
        with pytest.raises(InvalidInput):
            case.approve(values=wrong)
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
