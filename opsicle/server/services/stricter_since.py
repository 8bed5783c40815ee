"""What would be asked of an automation today beyond what was asked, and agreed to, when it was triggered.

A policy of the org with a newer version, another policy that the template names since, one of its own that says
something else, or one that applies by itself since: whichever is stricter than the decisions are good for.
"""

from __future__ import annotations

from opsicle.domain.approvals import unmet
from opsicle.domain.errors import Conflict
from opsicle.domain.policy_parser import digest
from opsicle.domain.templates import Template
from opsicle.server.services.approval_cases import Case, gates_for
from opsicle.server.services.people import Roster, asker_of
from opsicle.server.services.policies_in_force import InForce, in_force
from opsicle.server.store import audit, policies
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection


def asked_since(db: Connection, row: AutomationRow, template: Template) -> str:
    """Why an automation for which nobody was asked may not run today, "" if it may."""
    if template.approval_policy is not None and not template.approval_policy.is_waived:
        return "its template asks for approval, and nobody was asked"
    try:
        now = in_force(db, row.org_id, template, row.requester_id)
    except Conflict as error:
        return error.message
    gates = gates_for(now.policy, template, row) if now else ()
    if now is None or not gates:
        return ""
    asker = asker_of(db, row.org_id, row.requester_id, audit.last_seq(db, row.org_id))
    people = Roster(db, row.org_id).people(now.policy, template, asker)
    reason = unmet(gates, (), people, asker)
    return f"{_changed(now)}, and nobody was asked: {reason}" if reason else ""


def tightened_since(db: Connection, case: Case) -> str:
    """Why the decisions of an approval are not good for what is asked today, "" if they are."""
    try:
        now = in_force(db, case.row.org_id, case.template, case.row.requester_id)
    except Conflict as error:
        return _deleted(db, case) or error.message
    if reason := _deleted(db, case) if _is_by_name(case, now) else "":
        return reason
    if now is None or digest(now.policy) == case.row.policy_digest:
        return ""
    people = case.roster.people(now.policy, case.template, case.asker)
    gates = gates_for(now.policy, case.template, case.automation)
    reason = unmet(gates, case.votes, people, case.asker)
    return f"{_changed(now, case)}: {reason}" if reason else ""


def _is_by_name(case: Case, now: InForce | None) -> bool:
    """Whether the policy that was asked under was named, and did not apply by itself."""
    return not case.policy.applies_to or (now is not None and not now.is_default)


def _deleted(db: Connection, case: Case) -> str:
    row = case.row
    newest = policies.find_newest(db, row.org_id, row.policy_id) if row.policy_id else None
    if row.policy_id and (newest is None or newest.is_deleted):
        return f"the policy {row.policy_name} was deleted since"
    return ""


def _changed(now: InForce, case: Case | None = None) -> str:
    name, number = now.policy.name, f" (version {now.version})" if now.version else ""
    if case and case.row.policy_name == name:
        return (
            f"the policy {name} was tightened since{number}" if name else "the policy of its template was changed since"
        )
    if now.is_default:
        return f"the policy {name} applies to it since{number}"
    return f"its template asks for approval by {f'the policy {name}' if name else 'a policy of its own'} since{number}"
