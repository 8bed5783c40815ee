"""Policies that apply by themselves, and who may keep a template from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import Conflict, InvalidInput, NotAllowed, NotFound
from opsicle.server.templates.service import Templates
from opsicle.wire.user_api import RunRequest
from tests.services.core import Core
from tests.services.document_pushes import ADMINS, EVERYTHING, OWN, default, push
from tests.services.policy_scopes import SCOPES
from tests.services.targeting import with_rules
from tests.services.team import MANAGER, Team


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    team = Team(Core(tmp_path))
    yield team
    team.core.close()


def service_account(team: Team, owner: str = "alice") -> str:
    """Return a service account of somebody; its name among the people."""
    name = f"{owner}s-bot"
    team.people[name] = team.core.person(team.org_id, name, BuiltInRole.OPERATOR)
    team.tamper(
        "UPDATE memberships SET owner_id = :owner WHERE user_id = :bot",
        owner=team.people[owner].user_id,
        bot=team.people[name].user_id,
    )
    return name


# What it applies to


def test_who_would_have_to_agree_is_said_for_somebody_else_to_who_may_see_people(
    team: Team,
) -> None:
    default(team, "{requesters: {users: [alice@example.com]}}")
    push(team)
    need, bob = team.core.approvals.need, team.people["bob"]

    of_alice = need(bob, "job", None, "alice@example.com")

    assert [gate.name for gate in of_alice.gates] == ["boss"]
    assert not need(bob, "job").is_needed
    assert not need(bob, "job", None, bob.email).is_needed
    with pytest.raises(NotFound):
        need(bob, "job", None, "nobody@example.com")
    with pytest.raises(NotAllowed):
        need(with_rules(bob, "allow view templates"), "job", None, "alice@example.com")


@pytest.mark.parametrize(("scopes", "more", "labels", "is_asked"), SCOPES.values(), ids=SCOPES)
def test_a_policy_applies_by_itself_to_what_names_none(
    team: Team, scopes: str, more: str, labels: str, is_asked: bool
) -> None:
    default(team, scopes)
    push(team, more=more, labels=labels)

    asked = team.ask("job")

    assert asked.state == ("awaiting_approval" if is_asked else "queued")
    need = team.core.approvals.need(team.people["alice"], "job")
    assert (need.is_needed, need.is_default, [gate.name for gate in need.gates]) == (
        is_asked,
        is_asked,
        ["boss"] if is_asked else [],
    )


def test_the_same_commands_under_a_new_name_are_asked_as_well(team: Team) -> None:
    team.policy(ADMINS, name="p")
    default(team, EVERYTHING)
    push(team, "carol", "restart", "approvalPolicy: {policyRef: p}")

    push(team, "alice", "restart-2")

    assert [
        team.ask(name).waiting_reason.split(": ", 1)[1] for name in ("restart", "restart-2")
    ] == [
        "admins: 1 of carol@example.com",
        "boss: 1 of bob@example.com",
    ]


def test_a_service_account_is_asked_where_a_person_is_not_and_shares_what_its_owner_falls_under(
    team: Team,
) -> None:
    bot = service_account(team)
    push(team)

    default(team, "{requesters: {serviceAccounts: true}}", ADMINS)

    assert team.ask("job").state == "queued"
    assert team.ask("job", bot).state == "awaiting_approval"

    default(team, "{requesters: {users: [alice@example.com]}}", ADMINS)
    assert team.ask("job", bot).state == "awaiting_approval"


def test_without_a_policy_that_applies_nothing_is_asked(team: Team) -> None:
    team.policy()
    push(team)

    assert team.ask("job").state == "queued"
    assert not team.core.approvals.need(team.people["alice"], "job").is_needed


def test_several_that_apply_ask_all_together(team: Team) -> None:
    default(team, EVERYTHING, "{name: g, approvers: {manager: true}}", name="first")
    default(team, EVERYTHING, "{name: g, approvers: {roles: [admin]}}", name="second")
    push(team)

    asked = team.ask("job")

    assert asked.waiting_reason.endswith("first/g: 1 of bob@example.com")
    assert team.approve("bob", asked).state == "pending"

    shown = team.approve("carol", asked)
    assert (shown.state, shown.policy, [gate.name for gate in shown.gates]) == (
        "approved",
        "first + second",
        ["first/g", "second/g"],
    )
    assert len(team.core.worker(team.org_id, "w").poll().work) == 1


def test_who_lists_templates_sees_that_they_need_approval(team: Team) -> None:
    push(team)
    core, carol = team.core, team.people["carol"]
    service = Templates(core.database, core.step_up, core.clock)
    for scopes, wanted in ((EVERYTHING, True), ("{requesters: {serviceAccounts: true}}", False)):
        default(team, scopes)
        assert [item.needs_approval for item in service.list_templates(carol, "", 9).items] == [
            wanted
        ]
        assert service.get(carol, "job").needs_approval is wanted


# `approvalPolicy: none`


def test_that_no_policy_applies_is_said_with_the_right_to_manage_policies_alone(
    team: Team,
) -> None:
    default(team, EVERYTHING)
    with pytest.raises(NotAllowed, match="approvalPolicy: none"):
        push(team, "alice", more="approvalPolicy: none")

    push(team, "carol", more="approvalPolicy: none")
    assert team.ask("job").state == "queued"
    assert len(team.core.worker(team.org_id, "w").poll().work) == 1
    with pytest.raises(NotAllowed, match="approvalPolicy: none"):
        push(team, "alice", more="approvalPolicy: none\ntimeout: 9")

    push(team, "alice")
    assert team.ask("job").state == "awaiting_approval"


def test_a_version_from_before_is_covered_by_no_waiver(team: Team) -> None:
    push(team)
    default(team, EVERYTHING)

    push(team, "carol", more="approvalPolicy: none")

    assert team.ask("job").state == "queued"

    old = team.core.automations.create(
        team.people["alice"], RunRequest(template="job", version=1, values={})
    )
    assert old.state == "awaiting_approval"


def test_naming_a_weaker_policy_where_one_applies_takes_the_right(team: Team) -> None:
    team.policy("{name: friend, approvers: {users: [mallory@example.com]}}", name="lax")
    default(team, "{runsOn: {env: [production]}}")
    friend = "{name: friend, approvers: {users: [mallory@example.com]}}"
    own = f"approvalPolicy: {{spec: {{gates: [{friend}]}}}}"
    for name, named in (("one", "approvalPolicy: {policyRef: lax}"), ("two", own)):
        with pytest.raises(NotAllowed, match="baseline applies to it"):
            push(team, more=named)
        push(team, name=name, more=f"{named}\nrunsOn: {{labels: {{env: test}}}}")

    push(team, "carol", more=own)

    assert team.ask("job").waiting_reason.endswith("friend: 1 of mallory@example.com")


def test_a_label_by_which_a_policy_applies_is_not_changed_by_who_pushes_templates(
    team: Team,
) -> None:
    default(team, "{runsOn: {env: [production]}}")
    push(team, more="runsOn: {labels: {env: production}}")

    with pytest.raises(NotAllowed, match="baseline would no longer apply"):
        push(team, more="runsOn: {labels: {env: test}}")

    push(team, "carol", more="runsOn: {labels: {env: test}}")
    push(team, more="runsOn: {labels: {env: production}}")


# What a condition reads

CONDITIONAL = "{name: g, approvers: {manager: true}, when: [{variable: target, in: [production]}]}"
ENUM = "variables: [{id: target, type: enum, options: [test, production], default: production}]"
BY_LABEL = "{name: g, approvers: {manager: true}, when: [{label: env, in: [production]}]}"

EVASIONS = {
    "the variable is gone": (CONDITIONAL, ENUM, "variables: []"),
    "the variable is called otherwise": (CONDITIONAL, ENUM, ENUM.replace("target", "where")),
    "another type": (CONDITIONAL, ENUM, "variables: [{id: target, default: test}]"),
    "another option": (CONDITIONAL, ENUM, ENUM.replace("test,", "test, live,")),
    "another default": (CONDITIONAL, ENUM, ENUM.replace("default: production", "default: test")),
    "a label of the worker": (
        BY_LABEL,
        "runsOn: {labels: {env: production}}",
        "runsOn: {labels: {env: test}}",
    ),
    "a label of the worker that is gone": (BY_LABEL, "runsOn: {labels: {env: production}}", ""),
}


@pytest.mark.parametrize(("gate", "before", "after"), EVASIONS.values(), ids=EVASIONS)
@pytest.mark.parametrize("how", ["named", "its own", "by itself"])
def test_what_a_condition_reads_is_changed_only_with_the_right_to_manage_policies(
    team: Team, gate: str, before: str, after: str, how: str
) -> None:
    own = f"approvalPolicy: {{spec: {{gates: [{gate}]}}}}\n"
    use = {"named": "approvalPolicy: {policyRef: p}\n", "its own": own, "by itself": ""}[how]
    team.policy(gate, name="p")
    if how == "by itself":
        default(team, EVERYTHING, gate)
    push(team, more=use + before)

    if how == "its own" and gate is CONDITIONAL and "id: target" not in after:
        # Whoever pushes it: its own policy names a variable that it lacks.
        with pytest.raises(InvalidInput):
            push(team, "carol", more=use + after)
        return
    with pytest.raises(NotAllowed, match="a condition of its approval reads"):
        push(team, more=use + after)
    push(team, more=use + before + "\ntimeout: 60")
    push(team, "carol", more=use + after)


def test_what_is_only_shown_of_a_variable_is_free(team: Team) -> None:
    team.policy(CONDITIONAL, name="p")
    push(team, more="approvalPolicy: {policyRef: p}\n" + ENUM)
    push(team, more="approvalPolicy: {policyRef: p}\n" + ENUM.replace("{id:", "{label: Where, id:"))


# What is told at a push


def test_a_policy_that_is_not_there_is_told_when_the_template_is_pushed(team: Team) -> None:
    team.policy(MANAGER, name="production")
    [warning] = push(team, more="approvalPolicy: {policyRef: prodution}").warnings

    assert (warning.path, "did you mean `production`" in warning.message) == (
        "spec.approvalPolicy.policyRef",
        True,
    )
    with pytest.raises(Conflict, match="which the org does not have"):
        team.ask("job")


def test_a_named_policy_whose_condition_no_value_can_meet_is_refused(team: Team) -> None:
    team.policy(CONDITIONAL, name="p")
    named, limited = "approvalPolicy: {policyRef: p}", "[{id: target, type: enum, options: [a, b]}]"

    with pytest.raises(InvalidInput) as caught:
        push(team, more=f"{named}\nvariables: {limited}")
    assert "never has this value" in caught.value.problems[0].message

    [free] = push(team, more="approvalPolicy: {policyRef: p}\nvariables: [{id: target}]").warnings
    assert "free text" in free.message

    [gone] = push(team, name="other", more="approvalPolicy: {policyRef: p}").warnings
    assert "is always asked" in gone.message


def test_a_policy_whose_condition_a_template_cannot_meet_is_pushed_with_a_warning_and_asks_always(
    team: Team,
) -> None:
    team.policy(MANAGER, name="p")
    push(team, more="approvalPolicy: {policyRef: p}\n" + ENUM)
    gate = CONDITIONAL.replace("[production]", "[live]")
    source = (
        f"apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {{name: p}}\nspec: {{gates: [{gate}]}}\n"
    )

    [warning] = team.core.policies.push(team.people["carol"], source).warnings

    assert warning.message.startswith("template job: the variable `target` never has this value")
    assert team.ask("job", target="test").state == "awaiting_approval"


def test_who_pushes_a_policy_that_applies_by_itself_hears_of_what_it_does_not_reach(
    team: Team,
) -> None:
    team.policy(MANAGER, name="p")
    push(team, name="named", more="approvalPolicy: {policyRef: p}")
    push(team, "carol", name="waived", more="approvalPolicy: none")
    push(
        team,
        name="elsewhere",
        more="approvalPolicy: {policyRef: p}\nrunsOn: {labels: {env: test}}",
    )
    push(team, name="plain")
    source = (
        "apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {name: baseline}\n"
        f"spec: {{appliesTo: [{{runsOn: {{env: production}}}}], gates: [{MANAGER}]}}\n"
    )

    [warning] = team.core.policies.push(team.people["carol"], source).warnings

    assert (warning.path, warning.message.split(": ")[1]) == ("spec.appliesTo", "named, waived")


def test_a_label_that_a_worker_only_claims_is_not_known(team: Team) -> None:
    default(team, "{runsOn: {env: production}}")
    push(team, more="runsOn: {labels: {env: test}}")

    push(team, name="claimed", more="runsOn: {labels: {env: test}, acceptClaimed: true}")

    assert [team.ask(name).state for name in ("job", "claimed")] == [
        "queued",
        "awaiting_approval",
    ]
    with pytest.raises(NotAllowed, match="baseline applies to it"):
        push(
            team,
            name="claimed",
            more=f"runsOn: {{labels: {{env: test}}, acceptClaimed: true}}\n{OWN.format(MANAGER)}",
        )
