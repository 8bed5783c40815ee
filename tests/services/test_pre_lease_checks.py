"""What was approved runs only while that holds: it is checked before each lease."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.wire.user_api import Automation
from tests.services.core import HELLO
from tests.services.team import MANAGER, Team, template_source


def test_what_was_approved_runs_whatever_is_pushed_since(team: Team, asked: Automation) -> None:
    team.core.push_again(team.people["alice"], template_source("careful", command="rm -rf /"))
    team.approve("bob", asked)

    [work] = team.core.worker(team.org_id, "w").poll().work

    assert work.phases[0].commands == ("echo hi",)


def test_an_automation_that_is_queued_past_its_approval_does_not_run(
    team: Team, asked: Automation
) -> None:
    team.tamper("UPDATE automations SET state = 'queued'")

    assert team.core.worker(team.org_id, "w").poll().work == ()
    assert (team.state(asked), team.why(asked)) == (
        "cancelled",
        "it was not run: its approval is pending",
    )


def test_an_approval_that_is_stored_as_given_without_a_decision_lets_nothing_run(
    team: Team, asked: Automation
) -> None:
    team.tamper("UPDATE automations SET state = 'queued'; UPDATE approvals SET state = 'approved'")

    assert team.core.worker(team.org_id, "v").poll().work == ()
    assert "needs 1 who agree" in team.why(asked)


LOSSES = {
    "the approver is disabled": ("bob", {"is_disabled": True}, "needs 1 who agree and may"),
    "the approver may decide no more": (
        "bob",
        {"role": BuiltInRole.REPORTER},
        "needs 1 who agree and may",
    ),
    "the approver is the manager no more": (
        "alice",
        {"manager_id": None},
        "needs 1 who agree and may",
    ),
    "the requester is disabled": ("alice", {"is_disabled": True}, "no longer a member"),
    "the requester may run no more": ("alice", {"role": BuiltInRole.REPORTER}, "may no longer run"),
}


@pytest.mark.parametrize(("who", "change", "why"), LOSSES.values(), ids=LOSSES)
def test_people_who_lost_their_rights_since_let_nothing_run(
    team: Team, asked: Automation, who: str, change: dict[str, object], why: str
) -> None:
    team.approve("bob", asked)
    team.change(who, **change)

    assert team.core.worker(team.org_id, "w").poll().work == ()
    assert (team.state(asked), why in team.why(asked)) == ("cancelled", True)


def test_a_rule_about_the_labels_of_the_newest_version_counts_too(
    team: Team, asked: Automation
) -> None:
    team.approve("bob", asked)
    team.change("alice", rules='["deny execute templates/env=prod"]')
    newer = template_source("careful").replace(
        "{name: careful}", "{name: careful, labels: {env: prod}}"
    )

    team.core.push_again(team.people["carol"], newer)

    assert team.core.worker(team.org_id, "w").poll().work == ()
    assert (team.state(asked), "may no longer run" in team.why(asked)) == ("cancelled", True)


TIGHTENINGS = {
    "more must agree": (
        "{name: boss, approvers: {manager: true, roles: [admin]}, required: 2}",
        False,
    ),
    "others must agree": ("{name: boss, approvers: {roles: [admin]}}", False),
    "a gate more": (f"{MANAGER}, {{name: b, approvers: {{roles: [admin]}}}}", False),
    "a code is needed": ("{name: boss, approvers: {manager: true}, requireMfa: true}", False),
    "another name alone": ("{name: chief, approvers: {manager: true}}", True),
    "looser": ("{name: boss, approvers: {manager: true, roles: [admin]}}", True),
}


@pytest.mark.parametrize(("gates", "runs"), TIGHTENINGS.values(), ids=TIGHTENINGS)
def test_a_policy_that_was_tightened_since_counts(
    team: Team, asked: Automation, gates: str, runs: bool
) -> None:
    team.approve("bob", asked)
    team.policy(gates)

    assert bool(team.core.worker(team.org_id, "w").poll().work) is runs
    assert runs or "was tightened since (version 2)" in team.why(asked)


def test_a_policy_that_was_deleted_since_lets_nothing_run(team: Team, asked: Automation) -> None:
    team.approve("bob", asked)
    team.core.policies.delete(team.people["carol"], "p")
    team.policy()

    assert team.core.worker(team.org_id, "w").poll().work == ()
    assert "was deleted since" in team.why(asked)


def test_what_may_not_run_keeps_no_slot_from_others(team: Team) -> None:
    team.policy()
    team.core.push(team.people["alice"], HELLO)
    barred = [team.ask() for _ in range(3)]
    for each in barred:
        team.approve("bob", each)
    fine = [team.core.run(team.people["alice"]) for _ in range(2)]
    worker = team.core.worker(team.org_id, "w", slots=2)

    team.change("bob", is_disabled=True)

    assert [work.automation_id for work in worker.poll().work] == [each.id for each in fine]
    assert {team.state(each) for each in barred} == {"cancelled"}
