"""The last look before work is handed out: whether what would run is what was agreed to, by people who still may.

In the transaction of the lease itself, so that nothing can change between the look and the lease.
"""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.approvals import ApprovalState, unmet
from opsicle.domain.templates import Template
from opsicle.server.services.approval_cases import Case, load
from opsicle.server.services.rights import rights_of
from opsicle.server.services.stricter_since import asked_since, tightened_since
from opsicle.server.services.template_access import targets_of
from opsicle.server.store import approvals, memberships
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection


def objection(db: Connection, row: AutomationRow, template: Template) -> str:
    """Why a queued automation may not be leased, "" if it may: one that needs no approval, or whose approval holds.

    That its content is what it was triggered to do has been seen before; that this is what was approved is seen here.
    """
    approval = approvals.find_of_automation(db, row.id)
    if approval is None:
        return asked_since(db, row, template)
    if approval.state is not ApprovalState.APPROVED:
        return f"its approval is {approval.state}"
    if row.manifest_digest != approval.manifest_digest:
        return "what is stored is not what was approved"
    return _requester_objection(db, row, template) or _policy_objection(db, load(db, approval, template))


def _requester_objection(db: Connection, row: AutomationRow, template: Template) -> str:
    member = memberships.find(db, row.org_id, row.requester_id)
    if member is None or member.is_disabled:
        return f"{row.requester_email} is no longer a member of the org"
    if not member.is_enabled:
        return f"{member.owner}, who answers for {row.requester_email}, is disabled"
    rights = rights_of(db, row.org_id, row.requester_id)
    targets = targets_of(db, row.org_id, template.name, template.labels)
    if not all(rights.may(Action.AUTOMATIONS_CREATE, target) for target in targets):
        return f"{row.requester_email} may no longer run templates"
    return ""


def _policy_objection(db: Connection, case: Case) -> str:
    """Why the decisions do not carry it: under the policy as it was asked, and under what is asked today."""
    if reason := unmet(case.gates, case.votes, case.people, case.asker):
        return f"the decisions no longer hold: {reason}"
    return tightened_since(db, case)
