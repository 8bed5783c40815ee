"""The last look before work is handed out.

Whether what would run is what was agreed to, by people who still may.

In the transaction of the lease itself, so that nothing can change between the look and the lease.
"""

from __future__ import annotations

from opsicle.domain.approvals import ApprovalState, unmet
from opsicle.domain.run_windows import RunWindow
from opsicle.domain.templates import Template
from opsicle.server.approvals.bindings import Bindings
from opsicle.server.approvals.called import called_refusal
from opsicle.server.approvals.cases import Case, load
from opsicle.server.approvals.policy_changes import missing_approval, newer_policy_problem
from opsicle.server.approvals.record_of_ends import contradiction
from opsicle.server.approvals.requester_refusal import requester_refusal
from opsicle.server.store.approvals import ApprovalRow
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection

ASKED_BEFORE = "people were asked before it was planned"
WINDOW_ALTERED = "the window in which it may begin is not the one that was approved"


def refusal_reason(
    db: Connection,
    bindings: Bindings,
    row: AutomationRow,
    template: Template,
    approval: ApprovalRow | None,
) -> str:
    """Return why a queued automation may not be leased, "" if it may.

    One that needs no approval, or whose approval holds.

    That its content is what it was triggered to do, and that just this was asked, has been seen
    before.
    """
    if row.called_by or row.member_of:
        return contradiction(db, row) or called_refusal(db, bindings, row, template)
    if approval is None:
        altered = "" if _has_window(row, row.planned_window) else WINDOW_ALTERED
        left = requester_refusal(db, row, template) if row.start_at else ""
        return altered or left or contradiction(db, row) or missing_approval(db, row, template)
    if approval.state is not ApprovalState.APPROVED:
        return f"its approval is {approval.state}"
    if reason := requester_refusal(db, row, template):
        return reason
    case = load(db, bindings, approval)
    if case.problem:
        return case.problem
    if not _has_window(row, case.window):
        return WINDOW_ALTERED
    return contradiction(db, row, case) or _policy_refusal(db, case)


def plan_refusal(db: Connection, row: AutomationRow, approval: ApprovalRow | None) -> str:
    """Return why the plan of an automation may not be leased, "" if it may; as `refusal_reason`."""
    return contradiction(db, row) if approval is None else ASKED_BEFORE


def _has_window(row: AutomationRow, window: RunWindow) -> bool:
    return (row.not_before, row.not_after) == window.times


def _policy_refusal(db: Connection, case: Case) -> str:
    """Return why the decisions do not carry it.

    Under the policy as it was asked, and under what is asked today.
    """
    if reason := unmet(case.gates, case.votes, case.people, case.requester):
        return f"the decisions no longer hold: {reason}"
    return newer_policy_problem(db, case, case.votes)
