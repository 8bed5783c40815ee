"""What is worth telling whoever writes a template, and no mistake."""

from __future__ import annotations

from opsicle.domain import shell_lint
from opsicle.domain.conditions import findings
from opsicle.domain.errors import Problem
from opsicle.domain.templates import Template

OWN_POLICY = "spec.approvalPolicy.spec"


def warnings(template: Template) -> list[Problem]:
    """Return what can be said of a template by looking at it alone."""
    found = shell_lint.warnings(template)
    if template.approval_policy and template.approval_policy.policy:
        conditions = findings(template.approval_policy.policy, template.variables)
        found += [
            Problem(f"{OWN_POLICY}.{each.path}", each.message)
            for each in conditions
            if not each.is_certain
        ]
    return found
