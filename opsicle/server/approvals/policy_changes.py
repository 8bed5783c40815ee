"""What would be asked of an automation today beyond what was asked and agreed to.

A policy of the org with a newer version, another policy that the template names since, one of its
own that says something else, or one that applies by itself since: whichever is stricter than the
decisions are good for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opsicle.domain.approvals import ApprovalState, Verdict, Vote, unmet
from opsicle.domain.approvers import deciders
from opsicle.domain.automations import AutomationState
from opsicle.domain.errors import Conflict
from opsicle.domain.policy_parser import digest
from opsicle.domain.templates import Template
from opsicle.server.approvals.approvers import ApproverDirectory, requester_of
from opsicle.server.approvals.cases import Case, gates_for
from opsicle.server.approvals.manifests import machines_of
from opsicle.server.policies.in_force import InForce, in_force
from opsicle.server.store import audit, policies
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection


def missing_approval(db: Connection, row: AutomationRow, template: Template) -> str:
    """Return why an automation for which nobody was asked may not run today, "" if it may."""
    if template.approval_policy is not None and not template.approval_policy.is_waived:
        return "its template asks for approval, and nobody was asked"
    try:
        now = in_force(db, row.org_id, template, row.requester_id, machines_of(row))
    except Conflict as error:
        return error.message
    gates = gates_for(now.policy, template, row) if now else ()
    if now is None or not gates:
        return ""
    requester = requester_of(
        db, row.org_id, row.requester_id, audit.last_seq(db, row.org_id)
    ).with_principal(row.principal_id)
    people = ApproverDirectory(db, row.org_id).people(now.policy, template, requester)
    reason = unmet(gates, (), people, requester)
    return f"{_changed(now)}, and nobody was asked: {reason}" if reason else ""


def policy_change(db: Connection, case: Case) -> str:
    """Return the remark for those who look at an approval that can still run, "" if none.

    While it waits for decisions: whether just as many as were asked for, by those who were asked,
    would do.
    """
    if case.row.state is ApprovalState.APPROVED and case.automation.state is AutomationState.QUEUED:
        return newer_policy_problem(db, case, case.votes)
    if case.row.state is not ApprovalState.PENDING:
        return ""
    return newer_policy_problem(db, case, [*case.votes, *_minimal_votes(case)])


def newer_policy_problem(db: Connection, case: Case, votes: Sequence[Vote]) -> str:
    """Return why these decisions are not good for what is asked today, "" if they are."""
    try:
        machines = machines_of(case.automation)
        now = in_force(db, case.row.org_id, case.template, case.row.requester_id, machines)
    except Conflict as error:
        return _deleted(db, case) or error.message
    if reason := _deleted(db, case) if _is_by_name(case, now) else "":
        return reason
    if now is None or digest(now.policy) == case.row.policy_digest:
        return ""
    people = case.directory.people(now.policy, case.template, case.requester)
    gates = gates_for(now.policy, case.template, case.automation)
    reason = unmet(gates, votes, people, case.requester)
    return f"{_changed(now, case)}: {reason}" if reason else ""


def _minimal_votes(case: Case) -> Iterator[Vote]:
    """Yield the decisions that would just pass the gates that were asked, were they made now."""
    for gate in case.gates:
        able = {
            each.principal: each
            for each in deciders(gate, case.people.values(), case.requester, gate.expires_after)
        }
        for person in list(able.values())[: gate.required]:
            yield Vote(
                gate=gate.name,
                user_id=person.user_id,
                principal=person.principal,
                verdict=Verdict.APPROVE,
                at=case.row.asked_at,
                with_mfa=gate.require_mfa,
                has_reason=gate.require_reason,
                elapsed=gate.expires_after,
            )


def _is_by_name(case: Case, now: InForce | None) -> bool:
    """Return whether the policy asked under was named, or is now, and did not apply by itself."""
    is_still_named = (
        now is not None and not now.is_default and now.policy.name == case.row.policy_name
    )
    return not case.policy.applies_to or is_still_named


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
            f"the policy {name} was tightened since{number}"
            if name
            else "the policy of its template was changed since"
        )
    if now.is_default:
        return f"the policy {name} applies to it since{number}"
    policy = f"the policy {name}" if name else "a policy of its own"
    return f"its template asks for approval by {policy} since{number}"
