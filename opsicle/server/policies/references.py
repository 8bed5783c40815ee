"""Whether a template and the policy that it names go together, said at a push."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.domain import stored_json
from opsicle.domain.conditions import findings
from opsicle.domain.errors import InvalidInput, Problem, Unreadable
from opsicle.domain.policies import Policy
from opsicle.domain.problems import did_you_mean, first_names, quoted
from opsicle.domain.scopes import applies
from opsicle.domain.stored_templates import decode_approval, decode_template
from opsicle.domain.templates import Template
from opsicle.server.policies.in_force import policy_of
from opsicle.server.policies.template_headers import TemplateScopeHeader
from opsicle.server.store import documents, templates
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind

_REF = "spec.approvalPolicy.policyRef"

_MOST_SUGGESTED_FROM = 200
_MOST_TEMPLATES = 200
_MOST_NAMED = 5


def check_reference(db: Connection, org_id: str, template: Template) -> list[Problem]:
    """Return what is to be said of the policy that a template names: warnings.

    Raises InvalidInput where a condition of it lists only values that the template's variable never
    has. A policy serves several templates, so that one such value among others is no mistake, nor
    is a variable that this template lacks: the gate is always asked then.
    """
    use = template.approval_policy
    if use is None or not use.policy_ref:
        return []

    row = documents.find(db, DocumentKind.POLICY, org_id, use.policy_ref)
    if row is None:
        rows = documents.list_by_name(db, DocumentKind.POLICY, org_id, "", _MOST_SUGGESTED_FROM)
        known = [each.name for each in rows]
        message = (
            f"the org has no policy {quoted(use.policy_ref)}{did_you_mean(use.policy_ref, known)}"
        )
        return [Problem(_REF, f"{message}; the template cannot run until it has")]

    found = list(findings(policy_of(row), template.variables))
    mistakes = [
        Problem(_REF, f"{each.path} of {row.name}: {each.message}")
        for each in found
        if each.is_total
    ]

    if mistakes:
        raise InvalidInput(
            f"the policy {row.name} and the variables of this template do not go together",
            hint="Mend the variables, or the conditions of the policy.",
            problems=tuple(mistakes),
        )
    return [Problem(_REF, f"{each.path} of {row.name}: {each.message}") for each in found]


def _uncovered(db: Connection, org_id: str, policy: Policy) -> Iterator[Problem]:
    """Name the templates that a policy does not apply to, as they name another one or none."""
    if not policy.applies_to:
        return
    names = []
    for row in templates.list_by_name(db, org_id, "", _MOST_TEMPLATES):
        shown = stored_json.read_or(row.header, TemplateScopeHeader, None)
        if shown is None:
            continue
        use = decode_approval(row.header)
        if use and use.policy_ref != policy.name and applies(policy, shown.scope, None):
            names.append(row.name)

    if names:
        first = first_names(names, _MOST_NAMED)
        yield Problem(
            "spec.appliesTo",
            f"does not apply to templates that say themselves who must approve: {first}",
        )


def policy_warnings(db: Connection, org_id: str, policy: Policy) -> list[Problem]:
    """Yield warnings where a policy means less, or more, to the templates than it says.

    A condition that a template which names it can never meet, so that its gate is always asked; and
    templates that it does not reach because they say themselves who must approve. No mistakes, or
    whoever pushes templates could keep a policy from being pushed.
    """
    found = dict.fromkeys(_uncovered(db, org_id, policy))
    for document in templates.list_naming(db, org_id, policy.name, _MOST_TEMPLATES):
        try:
            template = decode_template(document)
        except Unreadable:
            continue
        for each in findings(policy, template.variables):
            found[Problem(f"spec.{each.path}", f"template {template.name}: {each.message}")] = None
    return list(found)
