"""From asking to deciding: who may, in which order, by when, and who hears of it (trust.md, P1)."""

from __future__ import annotations

import gevent
import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from opsicle.server.store.approvals import ApprovalFilter
from opsicle.wire.user_api import Automation
from tests.services.approving import MANAGER, Office, template_source


def test_it_waits_until_the_manager_agrees_and_then_runs_at_once(
    office: Office, asked: Automation
) -> None:
    worker = office.core.worker(office.org_id, "w")

    assert asked.state == "awaiting_approval"
    assert asked.waiting_reason == "it waits for approval: boss: 1 of bob@example.com"
    assert worker.poll().work == ()
    assert [item.id for item in office.core.approvals.inbox(office.people["bob"], "", 9).items] == [
        asked.approval_id
    ]

    waiting = worker.poll_in_background()
    assert office.approve("bob", asked).state == "approved"

    waiting.join(timeout=60)
    assert [work.automation_id for work in waiting.value.work] == [asked.id]
    assert office.core.approvals.inbox(office.people["bob"], "", 9).items == []


def test_a_rejection_ends_it_with_its_reason(office: Office, asked: Automation) -> None:
    office.reject("bob", asked, reason="not today")

    assert (office.state(asked), office.why(asked)) == (
        "rejected",
        "rejected by bob@example.com: not today",
    )
    with pytest.raises(Conflict, match="over: it is rejected"):
        office.approve("bob", asked)


@pytest.mark.parametrize("who", ["alice", "carol", "dave", "mallory"])
def test_nobody_else_can_decide(office: Office, asked: Automation, who: str) -> None:
    with pytest.raises(NotAllowed):
        office.approve(who, asked)
    with pytest.raises(NotAllowed):
        office.reject(who, asked)
    assert (office.state(asked), office.show(who, asked).may_decide) == ("awaiting_approval", False)


def test_nobody_approves_their_own_unless_the_policy_says_so(office: Office) -> None:
    office.policy("{name: g, approvers: {roles: [operator, approver]}}")
    mine = office.ask()

    with pytest.raises(NotAllowed, match="asked for this yourself"):
        office.approve("alice", mine)

    office.policy("{name: g, approvers: {roles: [operator]}, allowRequester: true}")
    assert office.approve("alice", office.ask()).state == "approved"


def test_an_approval_of_another_org_looks_absent(office: Office, asked: Automation) -> None:
    gina = office.core.person(office.core.org("globex"), "gina", BuiltInRole.ADMIN)
    for call in (office.core.approvals.get, office.core.approvals.withdraw):
        with pytest.raises(NotFound):
            call(gina, asked.approval_id or "")

    office.people["gina"] = gina
    for decide in (office.approve, office.reject):
        with pytest.raises(NotFound):
            decide("gina", asked)
    assert office.core.approvals.list_newest(gina, ApprovalFilter(), "", 9).items == []


def test_a_double_click_counts_once(office: Office) -> None:
    office.policy("{name: g, approvers: {roles: [admin, approver, manager]}, required: 2}")
    asked = office.ask()
    greenlets = [gevent.spawn(office.approve, "bob", asked) for _ in range(20)]

    gevent.joinall(greenlets, raise_error=True)

    assert office.state(asked) == "awaiting_approval"
    assert len(office.show("bob", asked).gates[0].decisions) == 1
    with pytest.raises(Conflict, match="decided already"):
        office.reject("bob", asked)
    assert office.approve("carol", asked).state == "approved"


def test_two_who_decide_at_once_make_one_end(office: Office) -> None:
    office.policy("{name: g, approvers: {roles: [admin, approver]}}")
    for _ in range(20):
        asked = office.ask()
        both = [
            gevent.spawn(office.approve, "carol", asked),
            gevent.spawn(office.reject, "dave", asked),
        ]
        gevent.joinall(both)
        shown = office.show("alice", asked)
        assert len(shown.gates[0].decisions) == 1
        assert office.state(asked) == {"approved": "queued", "rejected": "rejected"}[shown.state]


def test_gates_in_order_ask_one_after_the_other(office: Office) -> None:
    office.policy(f"{MANAGER}, {{name: admins, approvers: {{roles: [admin]}}}}")
    asked = office.ask()

    with pytest.raises(NotAllowed, match="not your turn"):
        office.approve("carol", asked)
    assert office.notified("approval_requested") == [{"bob"}]

    office.core.clock.advance(1)
    assert office.approve("bob", asked).state == "pending"
    assert office.notified("approval_requested") == [{"bob"}, {"carol"}]
    assert office.approve("carol", asked).state == "approved"


def test_a_reason_is_asked_for_where_the_policy_says_so(office: Office) -> None:
    office.policy("{name: g, approvers: {manager: true}, requireReason: true}")
    asked = office.ask()

    with pytest.raises(InvalidInput, match="asks for a reason"):
        office.approve("bob", asked)
    assert office.approve("bob", asked, reason="fine").gates[0].decisions[0].reason == "fine"


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
def test_a_gate_that_nobody_can_pass_is_an_error_at_once(
    office: Office, gates: str, why: str
) -> None:
    office.policy(gates)

    with pytest.raises(Conflict, match=why):
        office.ask()
    assert (
        office.core.approvals.list_newest(office.people["alice"], ApprovalFilter(), "", 9).items
        == []
    )


def test_without_a_manager_the_trigger_says_so(office: Office) -> None:
    office.policy()
    with pytest.raises(
        Conflict, match="gate boss: it asks the requester's manager, and none is set"
    ):
        office.ask(by="mallory")


def test_a_gate_whose_conditions_do_not_hold_is_not_asked(office: Office) -> None:
    office.policy(
        "{name: g, approvers: {manager: true}, when: [{variable: target, in: [production]}]}"
    )

    assert office.ask(target="production").state == "awaiting_approval"

    free = office.ask(target="test")
    assert free.state == "queued"
    assert len(office.core.worker(office.org_id, "w").poll().work) == 1


def test_it_expires_and_who_asked_hears_of_it(office: Office) -> None:
    office.policy("{name: g, approvers: {manager: true}, expiresAfter: 60}")
    asked = office.ask()

    office.core.clock.advance(59)
    office.core.approvals.keep_time()

    assert office.state(asked) == "awaiting_approval"

    office.restart()
    office.core.clock.advance(1)

    assert office.core.approvals.keep_time() == 1
    assert (office.state(asked), office.why(asked)) == (
        "expired",
        "nobody decided on gate g in time",
    )
    assert office.notified("approval_ended") == [{"alice"}]
    assert office.core.approvals.keep_time() == 0


def test_who_decides_too_late_finds_it_expired(office: Office) -> None:
    office.policy("{name: g, approvers: {manager: true}, expiresAfter: 60}")
    asked = office.ask()
    office.core.clock.advance(60)

    with pytest.raises(Conflict, match="expired"):
        office.approve("bob", asked)
    assert office.state(asked) == "expired"


def test_a_reminder_and_an_escalation_come_once_each_over_restarts(office: Office) -> None:
    escalation = "escalate: [{after: 20, to: {roles: [admin]}}]"
    office.policy(f"{{name: g, approvers: {{manager: true}}, remindAfter: 10, {escalation}}}")
    asked = office.ask()

    with pytest.raises(NotAllowed):
        office.approve("carol", asked)

    for _ in range(6):
        office.core.clock.advance(5)
        office.core.approvals.keep_time()
        office.restart()
    assert office.notified("approval_reminder") == [{"bob"}]
    assert office.notified("approval_escalated") == [{"carol"}]
    assert "carol@example.com" in office.show("alice", asked).waiting_for
    assert office.approve("carol", asked).state == "approved"


def test_who_decided_on_an_earlier_gate_hears_of_a_withdrawal(office: Office) -> None:
    office.policy(f"{MANAGER}, {{name: admins, approvers: {{users: [carol@example.com]}}}}")
    asked = office.ask()
    office.approve("bob", asked)

    office.core.approvals.withdraw(office.people["alice"], asked.approval_id or "")

    assert office.notified("approval_ended") == [{"bob", "carol"}]


def test_who_asked_can_withdraw_and_nobody_else(office: Office, asked: Automation) -> None:
    with pytest.raises(NotAllowed):
        office.core.approvals.withdraw(office.people["bob"], asked.approval_id or "")
    assert (
        office.core.approvals.withdraw(office.people["alice"], asked.approval_id or "").state
        == "withdrawn"
    )
    assert office.state(asked) == "cancelled"
    with pytest.raises(Conflict):
        office.approve("bob", asked)


def test_cancelling_the_automation_ends_its_approval(office: Office, asked: Automation) -> None:
    office.core.automations.cancel(office.people["alice"], asked.id)

    assert office.show("bob", asked).state == "withdrawn"
    with pytest.raises(Conflict):
        office.approve("bob", asked)


def test_a_run_that_nobody_had_to_approve_is_not_the_last_approved_one(office: Office) -> None:
    office.policy(
        "{name: g, approvers: {manager: true}, when: [{variable: target, in: [production]}]}"
    )
    office.ask(target="test")
    worker = office.core.worker(office.org_id, "w")
    for work in worker.poll().work:
        worker.start(work)

    first = office.ask(target="production")

    assert office.show("bob", first).compared is None


def test_a_looser_policy_does_not_shorten_what_was_asked(office: Office, asked: Automation) -> None:
    office.policy("{name: boss, approvers: {roles: [member]}}")
    with pytest.raises(NotAllowed):
        office.approve("mallory", asked)


def test_an_approver_sees_what_will_run_and_what_is_new_about_it(office: Office) -> None:
    office.policy()
    worker = office.core.worker(office.org_id, "w", slots=9)

    first = office.ask(target="a", password="hunter2-hunter2")

    shown = office.show("bob", first)
    assert shown.values == {"target": "a", "password": "••••"}
    assert shown.phases[0].commands == ("echo hi",)
    assert (shown.compared, shown.may_decide, shown.is_intact) == (None, True, True)
    assert [person.email for person in shown.gates[0].waits_for] == ["bob@example.com"]

    office.approve("bob", first)
    [work] = worker.poll().work
    worker.start(work)

    office.core.push_again(office.people["alice"], template_source("careful", command="echo new"))

    compared = office.show("bob", office.ask(target="b")).compared
    assert compared is not None
    assert (compared.automation_id, compared.version) == (first.id, 1)
    assert '+    phases: [{name: act, commands: ["echo new"]}]' in compared.diff
    assert [(change.id, change.before, change.after) for change in compared.values][-1] == (
        "target",
        "a",
        "b",
    )
    assert office.show("bob", first).workers == ["w"]
