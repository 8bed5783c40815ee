"""What is called and runs on several machines: on those that its caller's approval has shown."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import Conflict, NotAllowed
from opsicle.server.approvals.cases import load_unaltered
from opsicle.server.approvals.facts import approval_facts
from opsicle.server.automations import bound_calls
from opsicle.server.store import approvals
from opsicle.wire.starts import CalledAutomation
from opsicle.wire.user_api import RunRequest
from tests.services.scheduling import started
from tests.services.targeting import ALLOWED, Reaching, push_target, with_rules
from tests.services.team import Team
from tests.services.template_calls import Calling

OUTER = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: outer}
spec:
  approvalPolicy: {policyRef: p}
  template: {phases: [{name: before, commands: ["true"]}, {name: act, call: {template: patch}}]}
"""


@pytest.fixture
def team(team: Team) -> Team:
    """Return a team with the targets web1 and web2, and `outer`, which calls `patch` on them."""
    team.policy()
    Reaching(team.core, team.people["alice"], pusher=team.people["carol"]).push()
    team.core.push_again(team.people["carol"], OUTER)
    return team


def calling(team: Team) -> Calling:
    """Return the caller, approved, at its call."""
    found = Calling(team.core, team.people["alice"], "outer").run()
    team.approve("bob", found.automation)
    found.begin().holder.pause(found.work, 1)
    found.turn()
    return found


def called(found: Calling) -> CalledAutomation:
    [call] = found.now.phases[1].calls
    return call


def machines(team: Team, found: Calling) -> list[str]:
    whole = team.core.automations.get(team.people["alice"], called(found).automation_id or "")
    return [each.name for each in whole.targets]


def test_its_machines_are_shown_in_the_callers_approval_and_message(team: Team) -> None:
    automation = team.ask("outer")

    [call] = team.show("bob", automation).calls

    assert call.fan_out is not None
    assert [member.name for member in call.fan_out.members] == ["web1", "web2"]
    row = team.core.database.read(
        lambda db: approvals.get(db, team.org_id, automation.approval_id or "")
    )
    case = team.core.database.read(lambda db: load_unaltered(db, team.core.bindings, row))
    facts = {fact.label: fact.text for fact in approval_facts(case, team.core.clock.now())}
    assert facts["Machines of patch"] == (
        "web1 (deploy@web1.example.com:22), web2 (deploy@web2.example.com:22)"
    )


def test_it_runs_on_no_machine_that_came_after_the_trigger(team: Team) -> None:
    automation = Calling(team.core, team.people["alice"], "outer").run()
    push_target(team.core, team.people["carol"], name="web3", labels="role: web")
    team.approve("bob", automation.automation)
    automation.begin().holder.pause(automation.work, 1)

    automation.turn()

    assert machines(team, automation) == ["web1", "web2"]


def test_rows_that_name_other_machines_run_nothing(team: Team) -> None:
    found = calling(team)
    team.tamper(
        "UPDATE automations SET fan_out = replace(fan_out, 'web2', 'db1') WHERE fan_out <> ''"
    )

    for _ in range(2):
        team.core.services.fan_outs.turn()

    assert len(started(team.core, team.people["alice"])) == 2
    assert called(found).automation_state == "cancelled"


def test_rows_of_the_caller_that_name_other_machines_call_nothing(team: Team) -> None:
    found = Calling(team.core, team.people["alice"], "outer").run()
    team.approve("bob", found.automation)
    found.begin().holder.pause(found.work, 1)
    team.tamper("UPDATE automations SET calls = replace(calls, 'web2', 'db1') WHERE calls <> ''")

    found.turn()

    assert called(found).state == "refused"
    assert len(started(team.core, team.people["alice"])) == 1


def test_what_fits_no_machine_or_may_not_be_used_is_said_when_the_caller_is_triggered(
    team: Team,
) -> None:
    core = team.core
    kept_out = with_rules(team.people["alice"], *ALLOWED, "deny execute targets/web2")
    with pytest.raises(NotAllowed, match="phase act of outer cannot call patch"):
        core.automations.create(kept_out, RunRequest(template="outer"))

    for name in ("web1", "web2"):
        core.services.targets.delete(team.people["carol"], name)
    with pytest.raises(Conflict, match="cannot call patch: patch runs on each target that fits"):
        team.ask("outer")

    assert started(core, team.people["alice"]) == []


def test_calls_on_each_of_many_machines_that_run_on_many_are_bounded_together(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = team.core
    for name in ("e1", "e2"):
        core.worker(team.org_id, name, role="edge")
    core.push_again(
        team.people["carol"], OUTER.replace("spec:\n", "spec:\n  runsOn: {each: {where: role}}\n")
    )
    assert len(team.ask("outer").targets) == 2

    monkeypatch.setattr(bound_calls, "MOST_MEMBERS", 3)

    with pytest.raises(Conflict, match="cannot call patch: it would run on more than"):
        team.ask("outer")
