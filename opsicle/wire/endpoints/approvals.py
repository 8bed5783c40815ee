"""Endpoints of approvals: who would have to agree, the inbox, and deciding."""

from __future__ import annotations

from opsicle.wire.approval_api import Approval, ApprovalNeed, ApprovalSummary, DecisionRequest
from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page

LIST_APPROVALS = Endpoint(
    "GET",
    "/api/v1/approvals",
    reply=Page[ApprovalSummary],
    query=PAGE | {"whose": str, "state": str},
)
PREVIEW = Endpoint(
    "GET",
    "/api/v1/templates/<name>/approval",
    reply=ApprovalNeed,
    query={"version": int, "requester": str},
)
SHOW = Endpoint(
    "GET",
    "/api/v1/approvals/<approval_id>",
    reply=Approval,
    description=(
        "Show all that an approver needs to see.\n\n"
        "Who asks and why, what will run, who else must agree, until when."
    ),
)
APPROVE = Endpoint(
    "POST", "/api/v1/approvals/<approval_id>/approve", body=DecisionRequest, reply=Approval
)
REJECT = Endpoint(
    "POST", "/api/v1/approvals/<approval_id>/reject", body=DecisionRequest, reply=Approval
)
WITHDRAW = Endpoint(
    "POST",
    "/api/v1/approvals/<approval_id>/withdraw",
    reply=Approval,
    description="Take back what one has asked for oneself; the automation is cancelled.",
)
