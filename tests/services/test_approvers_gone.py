"""Those who could approve are gone while it waits.

Said at once, and taken back when somebody can again.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.automations.live_streams import AutomationChanged, Position
from opsicle.server.store import groups, memberships
from opsicle.wire.user_api import Automation
from tests.services.approving import MANAGER, Office


def waiting(office: Office, automation: Automation) -> str:
    """Return why it waits, once the loop that keeps the time of approvals has had its turn."""
    office.core.approvals.keep_time()
    return office.core.automations.get(office.people["alice"], automation.id).waiting_reason


def remove_manager(office: Office) -> None:
    """Take Alice's manager out of the org."""

    def work(db: object) -> None:
        user_id = memberships.find(db, office.org_id, "alice@example.com").manager_id
        memberships.clear_manager(db, office.org_id, user_id)
        memberships.delete(db, office.org_id, user_id)

    office.core.database.write(work)


def join(office: Office, name: str, group: str) -> None:
    now = office.core.clock.now()

    def work(db: object) -> None:
        if groups.find(db, office.org_id, group) is None:
            groups.insert(db, office.org_id, groups.GroupRow(group, "", "[]", now, now))
        groups.add(db, office.org_id, group, office.people[name].user_id, now, 0)

    office.core.database.write(work)


def leave(office: Office, name: str, group: str) -> None:
    office.core.database.write(
        lambda db: groups.remove(db, office.org_id, group, office.people[name].user_id)
    )


USERS = "{name: g, approvers: {users: [dave@example.com]}}"
GROUP = "{name: g, approvers: {groups: [sre]}}"

LOSSES: dict[str, tuple[str, Callable[[Office], None], Callable[[Office], None] | None]] = {
    "the manager is disabled": (
        MANAGER,
        lambda office: office.change("bob", is_disabled=True),
        lambda office: office.change("bob", is_disabled=False),
    ),
    "the manager is removed": (
        MANAGER,
        remove_manager,
        lambda office: office.change("alice", manager_id=office.people["carol"].user_id),
    ),
    "nobody is the manager any more": (
        MANAGER,
        lambda office: office.change("alice", manager_id=None),
        lambda office: office.change("alice", manager_id=office.people["bob"].user_id),
    ),
    "the one who is named is disabled": (
        USERS,
        lambda office: office.change("dave", is_disabled=True),
        lambda office: office.change("dave", is_disabled=False),
    ),
    "the one who is named may decide no more": (
        USERS,
        lambda office: office.change("dave", role=BuiltInRole.REPORTER),
        None,
    ),
    "a rule keeps them from deciding": (
        USERS,
        lambda office: office.change("dave", rules='["deny execute approvals"]'),
        lambda office: office.change("dave", rules="[]"),
    ),
    "the group is left": (GROUP, lambda office: leave(office, "dave", "sre"), None),
}


@pytest.mark.parametrize(("gate", "lose", "regain"), LOSSES.values(), ids=LOSSES)
def test_it_says_at_once_that_nobody_can_pass_the_gate_and_back(
    office: Office,
    gate: str,
    lose: Callable[[Office], None],
    regain: Callable[[Office], None] | None,
) -> None:
    join(office, "dave", "sre")
    office.policy(gate)
    asked = office.ask()
    before = waiting(office, asked)

    lose(office)

    assert "nobody can give this approval now" in waiting(office, asked)
    assert "An admin can" in waiting(office, asked)
    assert "alice@example.com can withdraw it" in waiting(office, asked)

    shown = office.show("alice", asked)
    assert (shown.stuck in waiting(office, asked), bool(shown.stuck)) == (True, True)
    assert office.notified("approval_stuck") == [{"alice"}]

    if regain is None:
        return

    office.core.clock.advance(1)
    regain(office)

    assert waiting(office, asked).split(":")[:2] == before.split(":")[:2]
    assert office.show("alice", asked).stuck == ""
    assert len(office.notified("approval_requested")) == 2

    office.core.clock.advance(1)
    lose(office)

    assert "nobody can give" in waiting(office, asked)
    assert office.notified("approval_stuck") == [{"alice"}, {"alice"}]


def test_who_follows_hears_of_it(office: Office) -> None:
    office.policy()
    asked = office.ask()

    events = office.core.live_streams.automation(office.people["alice"], asked.id, Position())

    assert "boss: 1 of bob" in _reason(next(events))

    office.change("bob", is_disabled=True)
    office.core.approvals.keep_time()

    assert "nobody can give this approval now" in _reason(next(events))
    events.close()


def _reason(event: object) -> str:
    assert isinstance(event, AutomationChanged)
    return event.automation.waiting_reason


def test_it_is_told_once_over_restarts(office: Office) -> None:
    office.policy()
    asked = office.ask()
    office.change("bob", is_disabled=True)

    for _ in range(3):
        office.restart()
        assert "nobody can give" in waiting(office, asked)

    assert office.notified("approval_stuck") == [{"alice"}]


def test_a_later_gate_that_nobody_can_pass_is_said_while_an_earlier_one_is_open(
    office: Office,
) -> None:
    office.policy(f"{MANAGER}, {USERS}")
    asked = office.ask()

    office.change("dave", is_disabled=True)

    assert "gate g: there is nobody who may decide on it" in waiting(office, asked)


def test_a_gate_that_was_passed_by_somebody_who_is_gone_is_said(office: Office) -> None:
    office.policy(f"{MANAGER}, {USERS}")
    asked = office.ask()
    office.approve("bob", asked)

    office.change("bob", is_disabled=True)

    assert "gate boss: who agreed to it may no longer" in waiting(office, asked)

    office.change("bob", is_disabled=False)
    assert waiting(office, asked) == "it waits for approval: g: 1 of dave@example.com"


def test_who_has_refused_is_not_counted_among_those_who_could_agree(office: Office) -> None:
    office.policy("{name: g, approvers: {roles: [admin, approver]}, rejectionsToEnd: 2}")
    asked = office.ask()

    office.reject("dave", asked)

    assert "g: 1 of carol" in waiting(office, asked)

    office.change("carol", is_disabled=True)
    assert "nobody can give" in waiting(office, asked)


def test_what_others_can_still_give_is_not_stuck(office: Office) -> None:
    office.policy("{name: g, approvers: {roles: [approver, admin]}}")
    asked = office.ask()

    office.change("dave", is_disabled=True)

    assert waiting(office, asked) == "it waits for approval: g: 1 of carol@example.com"
    assert office.notified("approval_stuck") == []


def test_an_escalation_that_is_to_come_keeps_it_from_being_stuck(office: Office) -> None:
    office.policy(
        "{name: g, approvers: {manager: true}, escalate: [{after: 9, to: {roles: [admin]}}]}"
    )
    asked = office.ask()

    office.change("bob", is_disabled=True)

    assert waiting(office, asked) == "it waits for approval: g: 1 of nobody"


STRICTER = {
    "more must agree": (
        "{name: boss, approvers: {manager: true, roles: [admin]}, required: 2}",
        "needs 2",
    ),
    "others must agree": ("{name: boss, approvers: {roles: [admin]}}", "needs 1"),
    "a code is needed": ("{name: boss, approvers: {manager: true}, requireMfa: true}", "needs 1"),
    "looser": ("{name: boss, approvers: {manager: true, roles: [admin]}}", ""),
}


@pytest.mark.parametrize(("gates", "why"), STRICTER.values(), ids=STRICTER)
def test_an_approval_says_that_its_policy_became_stricter_since(
    office: Office, gates: str, why: str
) -> None:
    office.policy()
    pending, given = office.ask(), office.ask()
    office.approve("bob", given)

    office.policy(gates)

    for automation in (pending, given):
        said = office.show("alice", automation).stricter_since
        assert (why in said, bool(said)) == (True, bool(why))
        assert not why or said.startswith("the policy p was tightened since (version 2)")
