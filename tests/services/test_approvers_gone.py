"""Those who could approve are gone while it waits.

Said at once, and taken back when somebody can again.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.automations.live_streams import AutomationChanged, Position
from opsicle.server.store import groups, memberships, rule_sets
from opsicle.server.store.rule_sets import RuleSetKind, RuleSetRow
from opsicle.wire.user_api import Automation
from tests.services.team import MANAGER, Team


def waiting(team: Team, automation: Automation) -> str:
    """Return why it waits, once the loop that keeps the time of approvals has had its turn."""
    team.core.approvals.keep_time()
    return team.core.automations.get(team.people["alice"], automation.id).waiting_reason


def remove_manager(team: Team) -> None:
    """Take Alice's manager out of the org."""

    def work(db: object) -> None:
        user_id = memberships.find(db, team.org_id, "alice@example.com").manager_id
        memberships.clear_manager(db, team.org_id, user_id)
        memberships.delete(db, team.org_id, user_id)

    team.core.database.write(work)


def join(team: Team, name: str, group: str) -> None:
    now = team.core.clock.now()

    def work(db: object) -> None:
        if rule_sets.find(db, RuleSetKind.GROUP, team.org_id, group) is None:
            rule_sets.insert(
                db, RuleSetKind.GROUP, team.org_id, RuleSetRow(group, "", "[]", now, now)
            )
        groups.add(db, team.org_id, group, team.people[name].user_id, now, 0)

    team.core.database.write(work)


def leave(team: Team, name: str, group: str) -> None:
    team.core.database.write(
        lambda db: groups.remove(db, team.org_id, group, team.people[name].user_id)
    )


USERS = "{name: g, approvers: {users: [dave@example.com]}}"
GROUP = "{name: g, approvers: {groups: [sre]}}"

LOSSES: dict[str, tuple[str, Callable[[Team], None], Callable[[Team], None] | None]] = {
    "the manager is disabled": (
        MANAGER,
        lambda team: team.change("bob", is_disabled=True),
        lambda team: team.change("bob", is_disabled=False),
    ),
    "the manager is removed": (
        MANAGER,
        remove_manager,
        lambda team: team.change("alice", manager_id=team.people["carol"].user_id),
    ),
    "nobody is the manager any more": (
        MANAGER,
        lambda team: team.change("alice", manager_id=None),
        lambda team: team.change("alice", manager_id=team.people["bob"].user_id),
    ),
    "the one who is named is disabled": (
        USERS,
        lambda team: team.change("dave", is_disabled=True),
        lambda team: team.change("dave", is_disabled=False),
    ),
    "the one who is named may decide no more": (
        USERS,
        lambda team: team.change("dave", role=BuiltInRole.REPORTER),
        None,
    ),
    "a rule keeps them from deciding": (
        USERS,
        lambda team: team.change("dave", rules='["deny execute approvals"]'),
        lambda team: team.change("dave", rules="[]"),
    ),
    "the group is left": (GROUP, lambda team: leave(team, "dave", "sre"), None),
}


@pytest.mark.parametrize(("gate", "lose", "regain"), LOSSES.values(), ids=LOSSES)
def test_it_says_at_once_that_nobody_can_pass_the_gate_and_back(
    team: Team,
    gate: str,
    lose: Callable[[Team], None],
    regain: Callable[[Team], None] | None,
) -> None:
    join(team, "dave", "sre")
    team.policy(gate)
    asked = team.ask()
    before = waiting(team, asked)

    lose(team)

    assert "nobody can give this approval now" in waiting(team, asked)
    assert "An admin can" in waiting(team, asked)
    assert "alice@example.com can withdraw it" in waiting(team, asked)

    shown = team.show("alice", asked)
    assert (shown.stuck in waiting(team, asked), bool(shown.stuck)) == (True, True)
    assert team.notified("approval_stuck") == [{"alice"}]

    if regain is None:
        return

    team.core.clock.advance(1)
    regain(team)

    assert waiting(team, asked).split(":")[:2] == before.split(":")[:2]
    assert team.show("alice", asked).stuck == ""
    assert len(team.notified("approval_requested")) == 2

    team.core.clock.advance(1)
    lose(team)

    assert "nobody can give" in waiting(team, asked)
    assert team.notified("approval_stuck") == [{"alice"}, {"alice"}]


def test_who_follows_hears_of_it(team: Team) -> None:
    team.policy()
    asked = team.ask()

    events = team.core.live_streams.automation(team.people["alice"], asked.id, Position())

    assert "boss: 1 of bob" in _reason(next(events))

    team.change("bob", is_disabled=True)
    team.core.approvals.keep_time()

    assert "nobody can give this approval now" in _reason(next(events))
    events.close()


def _reason(event: object) -> str:
    assert isinstance(event, AutomationChanged)
    return event.automation.waiting_reason


def test_it_is_told_once_over_restarts(team: Team) -> None:
    team.policy()
    asked = team.ask()
    team.change("bob", is_disabled=True)

    for _ in range(3):
        team.restart()
        assert "nobody can give" in waiting(team, asked)

    assert team.notified("approval_stuck") == [{"alice"}]


def test_a_later_gate_that_nobody_can_pass_is_said_while_an_earlier_one_is_open(
    team: Team,
) -> None:
    team.policy(f"{MANAGER}, {USERS}")
    asked = team.ask()

    team.change("dave", is_disabled=True)

    assert "gate g: there is nobody who may decide on it" in waiting(team, asked)


def test_a_gate_that_was_passed_by_somebody_who_is_gone_is_said(team: Team) -> None:
    team.policy(f"{MANAGER}, {USERS}")
    asked = team.ask()
    team.approve("bob", asked)

    team.change("bob", is_disabled=True)

    assert "gate boss: who agreed to it may no longer" in waiting(team, asked)

    team.change("bob", is_disabled=False)
    assert waiting(team, asked) == "it waits for approval: g: 1 of dave@example.com"


def test_who_has_refused_is_not_counted_among_those_who_could_agree(team: Team) -> None:
    team.policy("{name: g, approvers: {roles: [admin, approver]}, rejectionsToEnd: 2}")
    asked = team.ask()

    team.reject("dave", asked)

    assert "g: 1 of carol" in waiting(team, asked)

    team.change("carol", is_disabled=True)
    assert "nobody can give" in waiting(team, asked)


def test_what_others_can_still_give_is_not_stuck(team: Team) -> None:
    team.policy("{name: g, approvers: {roles: [approver, admin]}}")
    asked = team.ask()

    team.change("dave", is_disabled=True)

    assert waiting(team, asked) == "it waits for approval: g: 1 of carol@example.com"
    assert team.notified("approval_stuck") == []


def test_an_escalation_that_is_to_come_keeps_it_from_being_stuck(team: Team) -> None:
    team.policy(
        "{name: g, approvers: {manager: true}, escalate: [{after: 9, to: {roles: [admin]}}]}"
    )
    asked = team.ask()

    team.change("bob", is_disabled=True)

    assert waiting(team, asked) == "it waits for approval: g: 1 of nobody"


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
    team: Team, gates: str, why: str
) -> None:
    team.policy()
    pending, given = team.ask(), team.ask()
    team.approve("bob", given)

    team.policy(gates)

    for automation in (pending, given):
        said = team.show("alice", automation).policy_change
        assert (why in said, bool(said)) == (True, bool(why))
        assert not why or said.startswith("the policy p was tightened since (version 2)")
