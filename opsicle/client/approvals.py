"""Calls about approvals."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire.approval_api import Approval, ApprovalSummary, DecisionRequest
from opsicle.wire.endpoints import approvals as endpoints


class ApprovalCalls(Calls):
    """Approvals, for those who decide and those who ask."""

    def approvals(self, *, whose: str = "", state: str = "") -> Iterator[ApprovalSummary]:
        """Yield what the caller may decide now, what they `asked` for, or `all`; newest first."""
        return self._pages(endpoints.LIST_APPROVALS, query={"whose": whose, "state": state})

    def approval(self, approval_id: str) -> Approval:
        """Return one approval, whole."""
        return self._call(endpoints.SHOW, approval_id)

    def approve(self, approval_id: str, request: DecisionRequest) -> Approval:
        """Agree to one waiting automation."""
        return self._call(endpoints.APPROVE, approval_id, body=request)

    def reject(self, approval_id: str, request: DecisionRequest) -> Approval:
        """Refuse one waiting automation."""
        return self._call(endpoints.REJECT, approval_id, body=request)

    def withdraw(self, approval_id: str) -> Approval:
        """Take back what the caller has asked for."""
        return self._call(endpoints.WITHDRAW, approval_id)
