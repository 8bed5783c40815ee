"""Calls about groups of people."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire.access_api import CreateGroupRequest, Group, UpdateGroupRequest
from opsicle.wire.endpoints import groups as endpoints


class GroupCalls(Calls):
    """Groups and their members."""

    def groups(self) -> Iterator[Group]:
        """Yield the org's groups with their members."""
        return self._pages(endpoints.LIST_GROUPS)

    def group(self, name: str) -> Group:
        """Return one group."""
        return self._call(endpoints.SHOW, name)

    def create_group(self, request: CreateGroupRequest) -> Group:
        """Make a group without members."""
        return self._call(endpoints.CREATE, body=request)

    def update_group(self, name: str, request: UpdateGroupRequest) -> Group:
        """Change what is given of a group."""
        return self._call(endpoints.UPDATE, name, body=request)

    def delete_group(self, name: str, *, is_confirmed: bool = False) -> None:
        """Remove a group.

        Raises LeavesBehind where approvals could not be given then, unless `is_confirmed`.
        """
        query = {"confirmed": "true" if is_confirmed else ""}
        self._call(endpoints.DELETE, name, query=query)

    def add_to_group(self, name: str, user: str) -> Group:
        """Let a person join a group."""
        return self._call(endpoints.ADD_MEMBER, name, user)

    def remove_from_group(self, name: str, user: str) -> Group:
        """Take a person out of a group."""
        return self._call(endpoints.REMOVE_MEMBER, name, user)
