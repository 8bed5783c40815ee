"""The routes of approval policies and of approvals as functions, for `api.py`."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from opsicle.client.calls import Calls, part
from opsicle.wire.approval_api import Approval, ApprovalSummary, DecisionRequest
from opsicle.wire.policy_api import PolicyPushed, PolicyVersion, PolicyVersionSummary
from opsicle.wire.user_api import SourceRequest

EVERY_POLICY = "/api/v1/policies"
EVERY_APPROVAL = "/api/v1/approvals"


class PolicyCalls(Calls):
    """Approval policies."""

    def policies(self) -> Iterator[PolicyVersionSummary]:
        """All policies in their newest versions."""
        return self._pages(EVERY_POLICY, PolicyVersionSummary)

    def push_policy(self, source: str) -> PolicyPushed:
        """Make this document the newest version of the policy that it names."""
        return self._post(EVERY_POLICY, SourceRequest(source=source), PolicyPushed)

    def policy(self, name: str, version: int | None = None) -> PolicyVersion:
        """One version, the newest unless told."""
        path = _policy(name)
        return self._get(path if version is None else f"{path}/versions/{version}", PolicyVersion)

    def policy_versions(self, name: str) -> Iterator[PolicyVersionSummary]:
        """All versions of a policy."""
        return self._pages(f"{_policy(name)}/versions", PolicyVersionSummary)

    def delete_policy(self, name: str) -> None:
        """Take a policy out of use."""
        self.connection.send("DELETE", _policy(name))


class ApprovalCalls(Calls):
    """Approvals."""

    def approvals(self, *, whose: str = "", state: str = "") -> Iterator[ApprovalSummary]:
        """What the caller may decide now, or what they `asked` for, or `all`; newest first."""
        query = urlencode({key: value for key, value in (("whose", whose), ("state", state)) if value})
        return self._pages(EVERY_APPROVAL, ApprovalSummary, query)

    def approval(self, approval_id: str) -> Approval:
        """One approval, whole."""
        return self._get(_approval(approval_id), Approval)

    def approve(self, approval_id: str, request: DecisionRequest) -> Approval:
        """Agree to one waiting automation."""
        return self._post(f"{_approval(approval_id)}/approve", request, Approval)

    def reject(self, approval_id: str, request: DecisionRequest) -> Approval:
        """Refuse one waiting automation."""
        return self._post(f"{_approval(approval_id)}/reject", request, Approval)

    def withdraw(self, approval_id: str) -> Approval:
        """Take back what the caller has asked for."""
        return self._post(f"{_approval(approval_id)}/withdraw", None, Approval)


def _approval(approval_id: str) -> str:
    return f"{EVERY_APPROVAL}/{part(approval_id)}"


def _policy(name: str) -> str:
    return f"{EVERY_POLICY}/{part(name)}"
