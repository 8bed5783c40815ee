"""Approvals of templates that run on several machines: one for the whole."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.services.fanning import Fanning
from tests.services.scheduling import started
from tests.services.team import Team

POLICY = "approvalPolicy: {policyRef: p}"


@pytest.fixture
def asking(team: Team) -> Fanning:
    """Return an automation on three workers that waits for Bob."""
    team.policy()
    fanning = Fanning(team.core, team.people["alice"], pusher=team.people["carol"])
    fanning.push("labels: {role: edge}", POLICY).run()
    return fanning


def test_people_are_asked_once_and_shown_the_workers(team: Team, asking: Fanning) -> None:
    assert asking.now.state == "awaiting_approval"
    approval = team.show("bob", asking.now)
    assert approval.workers == ["e1", "e2", "e3"]
    assert approval.fan_out is not None
    assert set(asking.states.values()) == {"queued"}

    team.approve("bob", asking.now)
    asking.turn().carry_out("e1").carry_out("e2").carry_out("e3")

    assert asking.now.state == "succeeded"
    assert asking.part("e1").approval_id is None


def test_a_policy_that_was_tightened_since_keeps_parts_from_running(
    team: Team, asking: Fanning
) -> None:
    team.approve("bob", asking.now)
    asking.turn()
    team.policy("{name: boss, approvers: {users: [dave@example.com]}}")

    assert asking.workers["e1"].poll().work == ()

    assert "was agreed to is not what patch asks" in asking.turn().part("e1").explanation


def test_what_was_approved_for_later_begins_on_no_machine_before(
    team: Team, asking: Fanning
) -> None:
    later = team.core.clock.now() + timedelta(hours=1)
    team.approve("bob", asking.now, not_before=later)
    assert set(asking.turn().states.values()) == {"queued"}
    assert asking.now.state == "queued"

    team.core.clock.advance(3700)
    team.core.services.run_windows.turn()

    assert asking.turn().now.state == "running"


def test_nothing_of_what_is_rejected_is_made(team: Team, asking: Fanning) -> None:
    team.reject("bob", asking.now)

    asking.turn()

    assert asking.now.state == "rejected"
    assert set(asking.states.values()) == {"cancelled"}
    assert len(started(team.core, asking.actor)) == 1


def test_people_hear_of_the_whole_and_not_of_its_parts(team: Team, asking: Fanning) -> None:
    team.approve("bob", asking.now)
    asking.turn().carry_out("e1", "failed", 1).carry_out("e2").carry_out("e3")

    told = team.core.database.read(
        lambda db: db.execute(
            "SELECT automation_id FROM deliveries WHERE kind = 'automation_finished'"
        ).fetchall()
    )

    assert {row[0] for row in told} == {asking.automation.id}


def test_machines_that_cannot_be_read_any_more_are_shown_as_altered(
    team: Team, asking: Fanning
) -> None:
    team.tamper("UPDATE automations SET fan_out = '{}'")

    approval = team.show("bob", asking.now)

    assert not approval.is_intact
    assert approval.fan_out is None
    assert set(asking.states.values()) == set()
