"""Calls about approval policies."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire.endpoints import policies as endpoints
from opsicle.wire.policy_api import PolicyPushed, PolicyVersion, PolicyVersionSummary
from opsicle.wire.user_api import SourceRequest


class PolicyCalls(Calls):
    """Approval policies and their versions."""

    def policies(self) -> Iterator[PolicyVersionSummary]:
        """Yield all policies in their newest versions."""
        return self._pages(endpoints.LIST_POLICIES)

    def push_policy(self, source: str) -> PolicyPushed:
        """Make this document the newest version of the policy that it names."""
        return self._call(endpoints.PUSH, body=SourceRequest(source=source))

    def policy(self, name: str, version: int | None = None) -> PolicyVersion:
        """Return one version, the newest unless told."""
        if version is None:
            return self._call(endpoints.SHOW, name)
        return self._call(endpoints.SHOW_VERSION, name, str(version))

    def policy_versions(self, name: str) -> Iterator[PolicyVersionSummary]:
        """Yield all versions of a policy."""
        return self._pages(endpoints.LIST_VERSIONS, name)

    def delete_policy(self, name: str) -> None:
        """Take a policy out of use."""
        self._call(endpoints.DELETE, name)
