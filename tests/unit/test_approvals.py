"""The engine of approvals, against what its rules say one by one and against random votes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsicle.domain.approvals import (
    ApprovalState,
    GateState,
    Verdict,
    Vote,
    due,
    next_moment,
    status,
    unmet,
)
from opsicle.domain.approvers import ApprovalRequester, ApproverPerson, gates_problem, may_decide
from opsicle.domain.policies import Approvers, Chat, Escalation, Gate, GateOrder

START = datetime(2026, 1, 1, tzinfo=UTC)
REQUESTER = ApprovalRequester(user_id="alice", manager_id="bob", asked_seq=100)
S, P = GateOrder.SEQUENTIAL, GateOrder.PARALLEL
NOT_OPEN_YET = -1
"""The seconds for which a vote's gate had been open, if it had not."""


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def person(name: str, role: str = "member", **more: object) -> ApproverPerson:
    return ApproverPerson(
        **{
            "user_id": name,
            "email": f"{name}@example.com",
            "role": role,
            "may_decide": True,
            **more,
        }
    )


def gate(name: str = "g", **more: object) -> Gate:
    return Gate(
        **{"name": name, "approvers": Approvers(manager=True), "expires_after": 100, **more}
    )


def vote(
    name: str, seconds: float, verdict: str = "approve", on: str = "g", **more: object
) -> Vote:
    return Vote(
        **{
            "gate": on,
            "user_id": name,
            "principal": name,
            "verdict": Verdict(verdict),
            "at": at(seconds),
            **more,
        }
    )


def state(gates: list[Gate], votes: list[Vote], now: float, order: GateOrder = S) -> str:
    return status(gates, order, votes, START, at(now)).state


def test_without_a_gate_it_is_approved() -> None:
    assert state([], [], 0) == "approved"


def test_so_many_must_agree_and_one_person_counts_once() -> None:
    two = [gate(required=2)]

    assert state(two, [vote("bob", 1)], 2) == "pending"
    assert state(two, [vote("bob", 1), vote("bob", 2)], 3) == "pending"
    assert state(two, [vote("bob", 1), vote("bobs-bot", 2, principal="bob")], 3) == "pending"
    assert state(two, [vote("bob", 1), vote("carol", 2)], 3) == "approved"


def test_so_many_rejections_end_it_and_what_comes_after_changes_nothing() -> None:
    assert state([gate()], [vote("bob", 1, "reject"), vote("carol", 2)], 3) == "rejected"
    assert state([gate(rejections_to_end=2)], [vote("bob", 1, "reject")], 3) == "pending"
    assert (
        state([gate(rejections_to_end=2)], [vote("bob", 1, "reject"), vote("carol", 2)], 3)
        == "approved"
    )
    assert state([gate()], [vote("bob", 1), vote("carol", 2, "reject")], 3) == "approved"


def test_a_gate_expires_and_a_later_decision_does_not_count() -> None:
    assert (state([gate()], [], 99), state([gate()], [], 100)) == ("pending", "expired")
    assert state([gate()], [vote("bob", 100)], 100) == "expired"
    assert state([gate()], [vote("bob", 99)], 1_000) == "approved"


def test_in_order_a_gate_opens_when_the_one_before_it_passes() -> None:
    gates = [gate("a"), gate("b")]
    seen = status(gates, S, [vote("bob", 50, on="a")], START, at(60))

    assert [one.state for one in seen.gates] == [GateState.PASSED, GateState.OPEN]
    assert seen.gates[1].expires_at == at(150)
    assert [one.state for one in status(gates, S, [], START, at(1)).gates] == [
        GateState.OPEN,
        GateState.WAITING,
    ]


def test_who_decided_on_an_early_gate_has_decided_on_a_later_one_too() -> None:
    votes = [vote("bob", 5, on="a"), vote("bob", 5, on="b", elapsed=NOT_OPEN_YET)]
    assert state([gate("a"), gate("b")], votes, 6) == "approved"


def test_in_parallel_the_first_end_is_the_end() -> None:
    gates = [gate("a", expires_after=10), gate("b")]
    seen = status(gates, P, [vote("bob", 50, "reject", on="b")], START, at(60))

    assert (seen.state, seen.decisive) == (ApprovalState.EXPIRED, "a")
    assert state(gates, [vote("bob", 5, on="b")], 6, P) == "pending"
    assert state(gates, [vote("bob", 5, on="b"), vote("bob", 6, on="a")], 7, P) == "approved"


def test_reminders_and_escalations_come_after_the_gate_has_opened() -> None:
    second = gate("b", remind_after=10, escalate=(Escalation(20, Approvers(roles=("admin",))),))
    seen = status([gate("a"), second], S, [vote("bob", 50, on="a")], START, at(55))

    assert [(item.key, item.at) for item in due(seen)] == [
        ("remind:b", at(60)),
        ("escalate:b:0", at(70)),
    ]
    assert next_moment(seen, []) == at(60)
    assert next_moment(seen, ["remind:b"]) == at(70)
    assert next_moment(seen, ["remind:b", "escalate:b:0"]) == at(150)
    assert next_moment(status([gate()], S, [vote("bob", 1)], START, at(2)), []) is None


BY_WHO = {
    "the manager": (gate(), person("bob"), True),
    "somebody else": (gate(), person("carol"), False),
    "the requester": (
        gate(approvers=Approvers(users=("alice@example.com",))),
        person("alice"),
        False,
    ),
    "the requester, allowed": (
        gate(approvers=Approvers(users=("alice@example.com",)), allow_requester=True),
        person("alice"),
        True,
    ),
    "a service account of the requester": (
        gate(approvers=Approvers(roles=("member",))),
        person("bot", owner_id="alice"),
        False,
    ),
    "a role": (gate(approvers=Approvers(roles=("approver",))), person("carol", "approver"), True),
    "another role": (
        gate(approvers=Approvers(roles=("approver",))),
        person("carol", "member"),
        False,
    ),
    "a user by address": (
        gate(approvers=Approvers(users=("carol@example.com",))),
        person("carol"),
        True,
    ),
    "a group from before": (
        gate(approvers=Approvers(groups=("sre",))),
        person("carol", groups={"sre": 100}),
        True,
    ),
    "a group joined after": (
        gate(approvers=Approvers(groups=("sre",))),
        person("carol", groups={"sre": 101}),
        False,
    ),
    "a linked chat user": (
        gate(approvers=Approvers(chat_users=(Chat("slack", "U1"),))),
        person("carol", chats=frozenset({Chat("slack", "U1")})),
        True,
    ),
    "a chat user who is not linked": (
        gate(approvers=Approvers(chat_users=(Chat("slack", "U1"),))),
        person("carol"),
        False,
    ),
    "whoever may decide on nothing": (gate(), person("bob", "reporter", may_decide=False), False),
    "escalated to, too early": (
        gate(escalate=(Escalation(11, Approvers(roles=("x",))),)),
        person("c", "x"),
        False,
    ),
    "escalated to": (
        gate(escalate=(Escalation(10, Approvers(roles=("x",))),)),
        person("c", "x"),
        True,
    ),
}


@pytest.mark.parametrize(("asked", "who", "wanted"), BY_WHO.values(), ids=BY_WHO)
def test_who_may_decide(asked: Gate, who: ApproverPerson, wanted: bool) -> None:
    assert may_decide(asked, who, REQUESTER, 10) is wanted


def test_the_owner_of_the_service_account_that_asked_is_its_requester() -> None:
    requester = ApprovalRequester(user_id="bot", owner_id="alice", asked_seq=100)
    asked = gate(approvers=Approvers(roles=("member",)))

    assert not may_decide(asked, person("alice"), requester, 0)
    assert not may_decide(asked, person("other-bot", owner_id="alice"), requester, 0)
    assert may_decide(asked, person("bob"), requester, 0)


def test_without_a_manager_nobody_is_the_manager() -> None:
    requester = ApprovalRequester(user_id="alice", asked_seq=100)
    assert not may_decide(gate(), person(""), requester, 0)


IMPASSABLE = {
    "no manager": (
        [gate()],
        ApprovalRequester(user_id="alice", asked_seq=100),
        "gate g: it asks the requester's manager",
    ),
    "their own manager": (
        [gate()],
        ApprovalRequester(user_id="a", manager_id="a", asked_seq=100),
        "gate g: there is nobody",
    ),
    "an empty group": (
        [gate("x", approvers=Approvers(groups=("sre",)))],
        REQUESTER,
        "gate x: there is nobody",
    ),
    "too many required": (
        [gate(required=2)],
        REQUESTER,
        "gate g: 2 must agree, and there is only 1",
    ),
}


@pytest.mark.parametrize(("gates", "requester", "why"), IMPASSABLE.values(), ids=IMPASSABLE)
def test_a_gate_that_nobody_could_pass_is_named(
    gates: list[Gate], requester: ApprovalRequester, why: str
) -> None:
    assert gates_problem(
        gates, [person("alice"), person("a"), person("bob")], requester
    ).startswith(why)


def test_a_gate_that_an_escalation_opens_can_be_passed() -> None:
    helped = gate(
        approvers=Approvers(groups=("sre",)), escalate=(Escalation(5, Approvers(manager=True)),)
    )
    assert gates_problem([helped], [person("bob")], REQUESTER) == ""


EVERYBODY = {name: person(name) for name in ("alice", "bob", "carol")}


def test_decisions_satisfy_gates_only_while_their_authors_may_decide() -> None:
    agreed = [vote("bob", 1)]

    assert unmet([gate()], agreed, EVERYBODY, REQUESTER) == ""
    assert "needs 1" in unmet([gate()], agreed, {}, REQUESTER)
    assert "needs 1" in unmet(
        [gate()],
        agreed,
        EVERYBODY,
        ApprovalRequester(user_id="alice", manager_id="carol", asked_seq=100),
    )
    assert "needs 1" in unmet([gate(require_mfa=True)], agreed, EVERYBODY, REQUESTER)
    assert "needs 1" in unmet([gate(require_reason=True)], agreed, EVERYBODY, REQUESTER)
    assert (
        unmet([gate(require_mfa=True)], [vote("bob", 1, with_mfa=True)], EVERYBODY, REQUESTER) == ""
    )
    assert "needs 2" in unmet([gate(required=2)], agreed, EVERYBODY, REQUESTER)
    assert "gate h" in unmet(
        [gate(), gate("h", approvers=Approvers(roles=("admin",)))], agreed, EVERYBODY, REQUESTER
    )
    assert "1 rejections" in unmet(
        [gate(approvers=Approvers(roles=("member",)))],
        [*agreed, vote("carol", 1, "reject")],
        EVERYBODY,
        REQUESTER,
    )


NAMES = st.sampled_from(["bob", "carol", "dave", "erin"])
VOTES = st.lists(
    st.builds(
        vote,
        NAMES,
        st.integers(0, 120),
        st.sampled_from(["approve", "reject"]),
        st.sampled_from(["a", "b"]),
    ),
    max_size=8,
)
GATES = st.tuples(
    *(
        st.builds(
            gate,
            st.just(name),
            required=st.integers(1, 3),
            rejections_to_end=st.integers(1, 2),
            expires_after=st.integers(1, 90),
        )
        for name in ("a", "b")
    )
)


@given(gates=GATES, votes=VOTES, order=st.sampled_from([S, P]), now=st.integers(0, 250))
def test_what_is_over_stays_as_it_is_and_agreement_needs_as_many_as_are_required(
    gates: tuple[Gate, ...], votes: list[Vote], order: GateOrder, now: int
) -> None:
    past = [one for one in votes if one.at <= at(now)]
    seen = status(gates, order, past, START, at(now))
    if seen.state is not ApprovalState.PENDING:
        later = status(
            gates, order, [one for one in votes if one.at <= at(now + 50)], START, at(now + 50)
        )
        assert later.state == seen.state
    if seen.state is ApprovalState.APPROVED:
        for one in gates:
            agreed = {
                cast.user_id
                for cast in past
                if cast.gate == one.name and cast.verdict is Verdict.APPROVE
            }
            assert len(agreed) >= one.required
    if not past:
        assert seen.state in {ApprovalState.PENDING, ApprovalState.EXPIRED}

    assert (seen.state is ApprovalState.PENDING) == bool(seen.open_gates)
