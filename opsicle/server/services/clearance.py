"""The last look before work is handed out: whether what would run is what was agreed to, by people who still may.

In the transaction of the lease itself, so that nothing can change between the look and the lease.
"""

from __future__ import annotations

from opsicle.domain.access import Action, may
from opsicle.domain.approvals import ApprovalState, unmet
from opsicle.domain.approvers import Asker, Person
from opsicle.domain.automations import AutomationState
from opsicle.domain.policies import Policy
from opsicle.domain.templates import Template
from opsicle.kit.clock import Clock
from opsicle.server.services.actor import SystemActor
from opsicle.server.services.approval_cases import Case, gates_for, load
from opsicle.server.services.manifests import manifest_digest
from opsicle.server.services.people import asker_of, people_of
from opsicle.server.services.policies import policy_of
from opsicle.server.store import approvals, audit, automations, memberships, policies
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automations import AutomationRow, Ending
from opsicle.server.store.database import Connection


class Clearance:
    """Lets automations pass whose approval holds, and ends the others."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def is_given(self, db: Connection, row: AutomationRow, template: Template) -> bool:
        """Whether a queued automation may be leased. If not, it has ended `rejected`, and says why."""
        approval = approvals.find_of_automation(db, row.id)
        if approval is None and template.approval_policy is None:
            return True
        reason = _objection(db, row, template, approval)
        if not reason:
            return True
        now = self._clock.now()
        explanation = f"it may not run: {reason}"
        if automations.end_unapproved(db, row.id, Ending(AutomationState.REJECTED, now, None, explanation)):
            data = {"reason": reason, "approval": approval.id if approval else ""}
            audit.append(db, now, row.org_id, SystemActor(), "refuse", f"automations/{row.id}", data)
        return False


def _objection(db: Connection, row: AutomationRow, template: Template, approval: ApprovalRow | None) -> str:
    """Why an automation may not run, "" if it may."""
    if approval is None:
        return "its template asks for approval, and nobody was asked"
    if approval.state is not ApprovalState.APPROVED:
        return f"its approval is {approval.state}"
    if manifest_digest(db, row, template) != approval.manifest_digest:
        return "what is stored is not what was approved"
    return _requester_objection(db, row) or _policy_objection(db, load(db, approval, template))


def _requester_objection(db: Connection, row: AutomationRow) -> str:
    member = memberships.find(db, row.org_id, row.requester_id)
    if member is None or member.is_disabled:
        return f"{row.requester_email} is no longer a member of the org"
    if not may(member.role, Action.AUTOMATIONS_CREATE):
        return f"{row.requester_email} may no longer run templates"
    return ""


def _policy_objection(db: Connection, case: Case) -> str:
    """Why the decisions do not carry it: under the policy as it was asked, and as it is today."""
    if reason := unmet(case.gates, case.votes, case.people, case.asker):
        return f"the decisions no longer hold: {reason}"
    row = case.row
    if not row.policy_id:
        return ""
    newest = policies.find_newest(db, row.org_id, row.policy_id)
    if newest is None or newest.is_deleted:
        return f"the policy {row.policy_name} was deleted since"
    if newest.version == row.policy_version:
        return ""
    policy = policy_of(newest)
    people, asker = _of_today(db, case, policy)
    reason = unmet(gates_for(policy, case.template, case.automation), case.votes, people, asker)
    return f"the policy {row.policy_name} was tightened since (version {newest.version}): {reason}" if reason else ""


def _of_today(db: Connection, case: Case, policy: Policy) -> tuple[dict[str, Person], Asker]:
    row = case.row
    return people_of(db, row.org_id, [policy]), asker_of(db, row.org_id, row.requester_id, row.asked_at)
