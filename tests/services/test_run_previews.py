"""What running a template would do, said before anything is triggered."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.errors import NotAllowed, NotFound
from opsicle.server.store.automations import AutomationFilter
from opsicle.wire.preview_api import RunPreview
from opsicle.wire.user_api import RunRequest
from tests.services.team import MANAGER, Team, template_source

ON_PRODUCTION = MANAGER.replace("}}", "}, when: [{variable: target, in: [production]}]}")


def preview(team: Team, who: str = "alice", template: str = "careful", **values: str) -> RunPreview:
    request = RunRequest(template=template, values=values)
    return team.core.automations.previews.preview(team.people[who], request)


def test_the_gates_whose_conditions_hold_for_these_values_are_named_and_no_others(
    team: Team,
) -> None:
    team.policy(ON_PRODUCTION)

    asks, passes = preview(team, target="production"), preview(team, target="test")

    assert [(gate.name, gate.is_conditional) for gate in asks.need.gates] == [("boss", False)]
    assert (asks.need.is_needed, passes.need.is_needed) == (True, False)
    assert (
        team.core.automations.list_newest(team.people["alice"], AutomationFilter(), "", 9).items
        == []
    )


def test_mistakes_in_values_are_named_as_running_it_would_and_a_secret_may_be_missing(
    team: Team,
) -> None:
    source = template_source("strict", "none").replace(
        "type: secret", "type: secret, isRequired: true"
    )
    team.core.push(
        team.people["alice"], source.replace("type: string", "type: string, pattern: '[a-z]+'")
    )

    found = preview(team, template="strict", target="NO", nothing="x")

    assert {problem.path for problem in found.problems} == {"values.target", "values.nothing"}
    assert preview(team, template="strict", target="yes").problems == []


def test_the_workers_that_fit_are_named_or_why_there_is_none(team: Team) -> None:
    source = template_source("placed", "none").replace(
        "spec:\n", "spec:\n  runsOn: {labels: {site: ams}}\n"
    )
    team.core.push(team.people["alice"], source)
    before = preview(team, template="placed")
    team.core.worker(team.org_id, "w-ams", site="ams").poll()
    team.core.worker(team.org_id, "w-fra", site="fra").poll()

    after = preview(team, template="placed")

    assert (before.workers, before.waiting) == ([], "no worker has enrolled yet")
    assert (after.workers, after.fitting, after.waiting) == (["w-ams"], 1, "")


def test_only_those_who_may_run_it_hear_what_it_would_do(team: Team) -> None:
    elsewhere = team.core.person(team.core.org("globex"), "gina", BuiltInRole.ADMIN)

    with pytest.raises(NotAllowed):
        preview(team, "rita")
    with pytest.raises(NotFound):
        team.core.automations.previews.preview(elsewhere, RunRequest(template="careful"))
    assert "policy p" in preview(team).refusal
