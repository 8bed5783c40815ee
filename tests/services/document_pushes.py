"""Pushing templates and policies through their services."""

from __future__ import annotations

from opsicle.server.templates.service import Templates
from opsicle.wire.template_api import Pushed
from tests.services.team import MANAGER, Team

ADMINS = "{name: admins, approvers: {roles: [admin]}}"
EVERYTHING = "{everything: true}"
OWN = "approvalPolicy: {{spec: {{gates: [{}]}}}}"


def push(
    team: Team, by: str = "alice", name: str = "job", more: str = "", labels: str = "{}"
) -> Pushed:
    """Push a version through the service; `more` are further lines of its spec."""
    lines = "".join(f"  {line}\n" for line in more.split("\n") if line)
    source = (
        "apiVersion: v1\ntype: AutomationTemplate\n"
        f"metadata: {{name: {name}, labels: {labels}}}\nspec:\n{lines}"
        f"  template: {{phases: [{{name: act, commands: ['echo {by}']}}]}}\n"
    )
    core = team.core
    return Templates(core.database, core.step_up, core.clock).push(team.people[by], source)


def default(team: Team, scopes: str, gates: str = MANAGER, name: str = "baseline") -> None:
    source = (
        f"apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {{name: {name}}}\n"
        f"spec: {{appliesTo: [{scopes}], gates: [{gates}]}}\n"
    )
    team.core.policies.push(team.people["carol"], source)
