"""From asking to deciding: who may, in which order, by when, and who hears of it."""

from __future__ import annotations

import gevent
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from opsicle.server.store.approvals import ApprovalFilter
from opsicle.wire.user_api import Automation
from tests.services.team import MANAGER, Team, template_source


def test_it_waits_until_the_manager_agrees_and_then_runs_at_once(
    team: Team, asked: Automation
) -> None:
    worker = team.core.worker(team.org_id, "w")

    assert asked.state == "awaiting_approval"
    assert asked.waiting_reason == "it waits for approval: boss: 1 of bob@example.com"
    assert worker.poll().work == ()
    assert [item.id for item in team.core.approvals.inbox(team.people["bob"], "", 9).items] == [
        asked.approval_id
    ]

    waiting = worker.poll_in_background()
    assert team.approve("bob", asked).state == "approved"

    waiting.join(timeout=60)
    assert [work.automation_id for work in waiting.value.work] == [asked.id]
    assert team.core.approvals.inbox(team.people["bob"], "", 9).items == []


def test_a_rejection_ends_it_with_its_reason(team: Team, asked: Automation) -> None:
    team.reject("bob", asked, reason="not today")

    assert (team.state(asked), team.why(asked)) == (
        "rejected",
        "rejected by bob@example.com: not today",
    )
    with pytest.raises(Conflict, match="over: it is rejected"):
        team.approve("bob", asked)


@pytest.mark.parametrize("who", ["alice", "carol", "dave", "mallory"])
def test_nobody_else_can_decide(team: Team, asked: Automation, who: str) -> None:
    with pytest.raises(NotAllowed):
        team.approve(who, asked)
    with pytest.raises(NotAllowed):
        team.reject(who, asked)
    assert (team.state(asked), team.show(who, asked).may_decide) == ("awaiting_approval", False)


def test_nobody_approves_their_own_unless_the_policy_says_so(team: Team) -> None:
    team.policy("{name: g, approvers: {roles: [operator, approver]}}")
    mine = team.ask()

    with pytest.raises(NotAllowed, match="asked for this yourself"):
        team.approve("alice", mine)

    team.policy("{name: g, approvers: {roles: [operator]}, allowRequester: true}")
    assert team.approve("alice", team.ask()).state == "approved"


def test_an_approval_of_another_org_looks_absent(team: Team, asked: Automation) -> None:
    gina = team.core.person(team.core.org("globex"), "gina", BuiltInRole.ADMIN)
    for call in (team.core.approvals.get, team.core.approvals.withdraw):
        with pytest.raises(NotFound):
            call(gina, asked.approval_id or "")

    team.people["gina"] = gina
    for decide in (team.approve, team.reject):
        with pytest.raises(NotFound):
            decide("gina", asked)
    assert team.core.approvals.list_newest(gina, ApprovalFilter(), "", 9).items == []


def test_a_double_click_counts_once(team: Team) -> None:
    team.policy("{name: g, approvers: {roles: [admin, approver, manager]}, required: 2}")
    asked = team.ask()
    greenlets = [gevent.spawn(team.approve, "bob", asked) for _ in range(20)]

    gevent.joinall(greenlets, raise_error=True)

    assert team.state(asked) == "awaiting_approval"
    assert len(team.show("bob", asked).gates[0].decisions) == 1
    with pytest.raises(Conflict, match="decided already"):
        team.reject("bob", asked)
    assert team.approve("carol", asked).state == "approved"


def test_two_who_decide_at_once_make_one_end(team: Team) -> None:
    team.policy("{name: g, approvers: {roles: [admin, approver]}}")
    for _ in range(20):
        asked = team.ask()
        both = [
            gevent.spawn(team.approve, "carol", asked),
            gevent.spawn(team.reject, "dave", asked),
        ]
        gevent.joinall(both)
        shown = team.show("alice", asked)
        assert len(shown.gates[0].decisions) == 1
        assert team.state(asked) == {"approved": "queued", "rejected": "rejected"}[shown.state]


def test_gates_in_order_ask_one_after_the_other(team: Team) -> None:
    team.policy(f"{MANAGER}, {{name: admins, approvers: {{roles: [admin]}}}}")
    asked = team.ask()

    with pytest.raises(NotAllowed, match="not your turn"):
        team.approve("carol", asked)
    assert team.notified("approval_requested") == [{"bob"}]

    team.core.clock.advance(1)
    assert team.approve("bob", asked).state == "pending"
    assert team.notified("approval_requested") == [{"bob"}, {"carol"}]
    assert team.approve("carol", asked).state == "approved"


def test_a_reason_is_asked_for_where_the_policy_says_so(team: Team) -> None:
    team.policy("{name: g, approvers: {manager: true}, requireReason: true}")
    asked = team.ask()

    with pytest.raises(InvalidInput, match="asks for a reason"):
        team.approve("bob", asked)
    assert team.approve("bob", asked, reason="fine").gates[0].decisions[0].reason == "fine"


UNPASSABLE = {
    "an empty group": ("{name: sres, approvers: {groups: [sre]}}", "gate sres: there is nobody"),
    "too many required": (
        "{name: two, approvers: {roles: [admin]}, required: 2}",
        "gate two: 2 must agree",
    ),
    "only the requester": (
        "{name: me, approvers: {users: [alice@example.com]}}",
        "gate me: there is nobody",
    ),
    "an unlinked chat user": (
        "{name: chat, approvers: {chatUsers: [{channel: slack, id: U1}]}}",
        "gate chat: there is nobody",
    ),
    "only a reporter": ("{name: r, approvers: {roles: [reporter]}}", "gate r: there is nobody"),
}


@pytest.mark.parametrize(("gates", "why"), UNPASSABLE.values(), ids=UNPASSABLE)
def test_a_gate_that_nobody_can_pass_is_an_error_at_once(team: Team, gates: str, why: str) -> None:
    team.policy(gates)

    with pytest.raises(Conflict, match=why):
        team.ask()
    assert (
        team.core.approvals.list_newest(team.people["alice"], ApprovalFilter(), "", 9).items == []
    )


def test_without_a_manager_the_trigger_says_so(team: Team) -> None:
    team.policy()
    with pytest.raises(
        Conflict, match="gate boss: it asks the requester's manager, and none is set"
    ):
        team.ask(by="mallory")


def test_a_gate_whose_conditions_do_not_hold_is_not_asked(team: Team) -> None:
    team.policy(
        "{name: g, approvers: {manager: true}, when: [{variable: target, in: [production]}]}"
    )

    assert team.ask(target="production").state == "awaiting_approval"

    free = team.ask(target="test")
    assert free.state == "queued"
    assert len(team.core.worker(team.org_id, "w").poll().work) == 1


def test_it_expires_and_who_asked_hears_of_it(team: Team) -> None:
    team.policy("{name: g, approvers: {manager: true}, expiresAfter: 60}")
    asked = team.ask()

    team.core.clock.advance(59)
    team.core.approvals.keep_time()

    assert team.state(asked) == "awaiting_approval"

    team.restart()
    team.core.clock.advance(1)

    assert team.core.approvals.keep_time() == 1
    assert (team.state(asked), team.why(asked)) == (
        "expired",
        "nobody decided on gate g in time",
    )
    assert team.notified("approval_ended") == [{"alice"}]
    assert team.core.approvals.keep_time() == 0


def test_who_decides_too_late_finds_it_expired(team: Team) -> None:
    team.policy("{name: g, approvers: {manager: true}, expiresAfter: 60}")
    asked = team.ask()
    team.core.clock.advance(60)

    with pytest.raises(Conflict, match="expired"):
        team.approve("bob", asked)
    assert team.state(asked) == "expired"


def test_a_reminder_and_an_escalation_come_once_each_over_restarts(team: Team) -> None:
    escalation = "escalate: [{after: 20, to: {roles: [admin]}}]"
    team.policy(f"{{name: g, approvers: {{manager: true}}, remindAfter: 10, {escalation}}}")
    asked = team.ask()

    with pytest.raises(NotAllowed):
        team.approve("carol", asked)

    for _ in range(6):
        team.core.clock.advance(5)
        team.core.approvals.keep_time()
        team.restart()
    assert team.notified("approval_reminder") == [{"bob"}]
    assert team.notified("approval_escalated") == [{"carol"}]
    assert "carol@example.com" in team.show("alice", asked).waiting_for
    assert team.approve("carol", asked).state == "approved"


def test_who_decided_on_an_earlier_gate_hears_of_a_withdrawal(team: Team) -> None:
    team.policy(f"{MANAGER}, {{name: admins, approvers: {{users: [carol@example.com]}}}}")
    asked = team.ask()
    team.approve("bob", asked)

    team.core.approvals.withdraw(team.people["alice"], asked.approval_id or "")

    assert team.notified("approval_ended") == [{"bob", "carol"}]


def test_who_asked_can_withdraw_and_nobody_else(team: Team, asked: Automation) -> None:
    with pytest.raises(NotAllowed):
        team.core.approvals.withdraw(team.people["bob"], asked.approval_id or "")
    assert (
        team.core.approvals.withdraw(team.people["alice"], asked.approval_id or "").state
        == "withdrawn"
    )
    assert team.state(asked) == "cancelled"
    with pytest.raises(Conflict):
        team.approve("bob", asked)


def test_cancelling_the_automation_ends_its_approval(team: Team, asked: Automation) -> None:
    team.core.automations.cancel(team.people["alice"], asked.id)

    assert team.show("bob", asked).state == "withdrawn"
    with pytest.raises(Conflict):
        team.approve("bob", asked)


def test_a_run_that_nobody_had_to_approve_is_not_the_last_approved_one(team: Team) -> None:
    team.policy(
        "{name: g, approvers: {manager: true}, when: [{variable: target, in: [production]}]}"
    )
    team.ask(target="test")
    worker = team.core.worker(team.org_id, "w")
    for work in worker.poll().work:
        worker.start(work)

    first = team.ask(target="production")

    assert team.show("bob", first).compared is None


def test_a_looser_policy_does_not_shorten_what_was_asked(team: Team, asked: Automation) -> None:
    team.policy("{name: boss, approvers: {roles: [member]}}")
    with pytest.raises(NotAllowed):
        team.approve("mallory", asked)


def test_an_approver_sees_what_will_run_and_what_is_new_about_it(team: Team) -> None:
    team.policy()
    worker = team.core.worker(team.org_id, "w", slots=9)
    team.core.worker(team.org_id, "dead").poll()
    team.core.clock.advance(300)

    first = team.ask(target="a", password="hunter2-hunter2")

    shown = team.show("bob", first)
    assert [text.partition(" since ")[0] for text in shown.workers] == [
        "dead, which has not been heard of"
    ]
    assert shown.values == {"target": "a", "password": "••••"}
    assert shown.phases[0].commands == ("echo hi",)
    assert (shown.compared, shown.may_decide, shown.is_intact) == (None, True, True)
    assert [person.email for person in shown.gates[0].waits_for] == ["bob@example.com"]

    team.approve("bob", first)
    [work] = worker.poll().work
    worker.start(work)

    team.core.push_again(team.people["alice"], template_source("careful", command="echo new"))

    compared = team.show("bob", team.ask(target="b")).compared
    assert compared is not None
    assert (compared.automation_id, compared.version) == (first.id, 1)
    assert '+    phases: [{name: act, commands: ["echo new"]}]' in compared.diff
    assert [(change.id, change.before, change.after) for change in compared.changed_values][-1] == (
        "target",
        "a",
        "b",
    )
    assert team.show("bob", first).workers == ["w"]
