"""A template or policy that is not stored as it was pushed is not run, and lets nothing run."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import OpsicleError
from opsicle.server.templates.service import Templates
from opsicle.wire.user_api import RunRequest
from tests.services.tampering import require_refused, team
from tests.services.team import Team, template_source

__all__ = ["team"]


PUSHED = {
    "a policy without gates": """
        DROP TRIGGER IF EXISTS policy_versions_are_immutable;
        UPDATE policy_versions SET document = json_set(document, '$.gates', json('[]'))
    """,
    "a policy that lets anybody agree": """
        DROP TRIGGER IF EXISTS policy_versions_are_immutable;
        UPDATE policy_versions
           SET document = json_set(document, '$.gates[0].allow_requester', json('true'))
    """,
    "an older policy, as the newest": "UPDATE policies SET latest_version = 1",
    "another policy under the name": """
        UPDATE policies SET name = 'strict' WHERE name = 'p';
        UPDATE policies SET name = 'p' WHERE name = 'lax'
    """,
    "a template without approval": """
        DROP TRIGGER IF EXISTS template_versions_are_immutable;
        UPDATE template_versions SET document = json_remove(document, '$.approval_policy')
    """,
    "a template with other commands": """
        DROP TRIGGER IF EXISTS template_versions_are_immutable;
        UPDATE template_versions SET document = replace(document, 'echo two', 'rm -rf /')
    """,
    "a template that is no JSON": """
        DROP TRIGGER IF EXISTS template_versions_are_immutable;
        UPDATE template_versions SET document = '{'
    """,
    "an older template, as the newest": "UPDATE templates SET latest_version = 1",
}


@pytest.fixture
def pushed(team: Team) -> Team:
    """Push policies and a template in several versions, the newest being the strictest."""
    carol = team.people["carol"]
    team.policy("{name: g, approvers: {roles: [operator]}, allowRequester: true}", name="lax")
    team.policy("{name: boss, approvers: {manager: true}, required: 1, requireReason: true}")
    free = template_source("two", command="echo one").replace(
        "  approvalPolicy: {policyRef: p}\n", ""
    )
    team.core.push_again(carol, free)
    team.core.push_again(carol, template_source("two", command="echo two"))
    return team


@pytest.mark.parametrize("version", [None, 1], ids=["newest", "older"])
@pytest.mark.parametrize("script", PUSHED.values(), ids=PUSHED)
def test_what_is_stored_otherwise_than_it_was_pushed_cannot_be_run(
    pushed: Team, script: str, version: int | None
) -> None:
    request = RunRequest(template="two", version=version)
    assert (
        pushed.core.automations.create(pushed.people["alice"], request).state == "awaiting_approval"
    )

    pushed.tamper(script)

    with pytest.raises(OpsicleError, match="is not what was pushed"):
        pushed.core.automations.create(pushed.people["alice"], request)


def test_a_policy_that_was_loosened_in_the_database_lets_nothing_run_that_waits(
    pushed: Team,
) -> None:
    asked = pushed.core.automations.create(pushed.people["alice"], RunRequest(template="two"))
    pushed.approve("bob", asked, reason="fine")

    pushed.tamper(PUSHED["a policy without gates"])

    require_refused(pushed, asked)
    assert "is not what was pushed" in pushed.why(asked)


def test_what_is_pushed_again_after_it_was_removed_can_be_run(pushed: Team) -> None:
    carol = pushed.people["carol"]
    Templates(pushed.core.database, pushed.core.step_up, pushed.core.clock).delete(carol, "two")
    pushed.core.push_again(carol, template_source("two", command="echo three"))
    pushed.core.policies.delete(carol, "p")
    pushed.policy()

    asked = pushed.core.automations.create(pushed.people["alice"], RunRequest(template="two"))

    assert asked.state == "awaiting_approval"
