"""Pushing templates and policies through their services."""

from __future__ import annotations

from opsicle.server.templates.service import Templates
from opsicle.wire.user_api import Pushed
from tests.services.approving import MANAGER, Office

ADMINS = "{name: admins, approvers: {roles: [admin]}}"
EVERYTHING = "{everything: true}"
OWN = "approvalPolicy: {{spec: {{gates: [{}]}}}}"


def push(
    office: Office, by: str = "alice", name: str = "job", more: str = "", labels: str = "{}"
) -> Pushed:
    """Push a version through the service; `more` are further lines of its spec."""
    lines = "".join(f"  {line}\n" for line in more.split("\n") if line)
    source = (
        "apiVersion: v1\ntype: AutomationTemplate\n"
        f"metadata: {{name: {name}, labels: {labels}}}\nspec:\n{lines}"
        f"  template: {{phases: [{{name: act, commands: ['echo {by}']}}]}}\n"
    )
    core = office.core
    return Templates(core.database, core.step_up, core.clock).push(office.people[by], source)


def default(office: Office, scopes: str, gates: str = MANAGER, name: str = "baseline") -> None:
    source = (
        f"apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {{name: {name}}}\n"
        f"spec: {{appliesTo: [{scopes}], gates: [{gates}]}}\n"
    )
    office.core.policies.push(office.people["carol"], source)
