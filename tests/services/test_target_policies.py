"""Policies that apply by labels of `runsOn`, and targets: by what each is labelled itself."""

from __future__ import annotations

import pytest

from tests.services.document_pushes import default
from tests.services.targeting import Reaching, push_target, targets_source
from tests.services.team import MANAGER, Team

PRODUCTION = "{runsOn: {env: [production]}}"


@pytest.fixture
def team(team: Team) -> Team:
    """Return a team with targets of each kind, and a policy for those in production."""
    Reaching(team.core, team.people["alice"], pusher=team.people["carol"]).push()
    for name, labels, more in (
        ("prod1", "env: production, tier: a", ()),
        ("stage1", "env: staging, tier: a", ()),
        ("stage2", "env: staging, tier: b", ()),
        ("behind", "env: staging, tier: c", ("runsOn: {labels: {env: production}}",)),
        ("unlabelled", "tier: d", ()),
    ):
        push_target(team.core, team.people["carol"], *more, name=name, labels=labels)
    default(team, PRODUCTION)
    return team


@pytest.mark.parametrize(
    ("chosen", "is_asked"),
    [
        ("names: [prod1]", True),
        ("names: [prod1], labels: {tier: a}", True),
        ("where: tier=a", True),
        ("where: env!=staging", True),
        ("where: 'env in (production, staging), tier=b'", False),
        ("labels: {tier: a}", True),
        ("names: [stage1, stage2]", False),
        ("labels: {tier: b}", False),
        ("labels: {env: staging, tier: b}", False),
        ("names: [behind]", True),
        ("labels: {env: staging, tier: c}", True),
        ("names: [unlabelled]", True),
    ],
)
def test_a_policy_is_escaped_by_no_way_of_choosing_a_target(
    team: Team, chosen: str, *, is_asked: bool
) -> None:
    team.core.push_again(team.people["carol"], targets_source(chosen))
    version = team.core.services.templates.get(team.people["alice"], "patch").version

    need = team.core.services.approvals.need(team.people["alice"], "patch", version)
    automation = team.ask("patch")

    assert (automation.state == "awaiting_approval") is is_asked
    assert need.is_needed is is_asked


def test_what_is_called_is_asked_for_by_the_labels_of_its_targets(team: Team) -> None:
    core, carol = team.core, team.people["carol"]
    outer = (
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: outer}\nspec:\n"
        "  runsOn: {labels: {env: staging}}\n"
        "  template: {phases: [{name: act, call: {template: patch}}]}\n"
    )
    core.push_again(carol, targets_source("names: [stage1]"))
    core.push_again(carol, outer)
    assert team.ask("outer").state == "queued"

    core.push_again(carol, targets_source("names: [stage1, prod1]"))

    assert team.ask("outer").state == "awaiting_approval"


def test_a_gates_condition_holds_if_it_does_for_one_of_the_targets(team: Team) -> None:
    gate = MANAGER.replace("{name", "{when: [{label: env, in: [production]}], name")
    team.policy(gate)
    policy = "approvalPolicy: {policyRef: p}"
    for chosen, state in (
        ("names: [stage1, stage2]", "queued"),
        ("names: [stage1, prod1]", "awaiting_approval"),
    ):
        team.core.push_again(team.people["carol"], targets_source(chosen, policy))

        assert team.ask("patch").state == state


def test_a_target_that_goes_into_production_after_it_was_not_asked_for_is_not_run_on(
    team: Team,
) -> None:
    reaching = Reaching(team.core, team.people["alice"], pusher=team.people["carol"])
    team.core.push_again(team.people["carol"], targets_source("names: [stage1]"))
    reaching.automation = team.ask("patch")
    push_target(team.core, team.people["carol"], name="stage1", labels="env: production, tier: a")

    reaching.turn()

    assert reaching.states == {"stage1": "failed"}
    assert reaching.targets[0].reason == "the target stage1 was changed since"


def test_a_policy_for_targets_that_is_pushed_before_it_begins_keeps_it_from_that(
    team: Team,
) -> None:
    reaching = Reaching(team.core, team.people["alice"], pusher=team.people["carol"])
    team.core.push_again(team.people["carol"], targets_source("names: [stage1]"))
    reaching.automation = team.ask("patch")
    default(team, "{runsOn: {env: [staging]}}", name="later")

    reaching.turn()

    assert reaching.now.state == "cancelled"
    assert "nobody was asked" in reaching.now.explanation
