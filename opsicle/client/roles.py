"""Calls about roles, and about what they let people do."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire.access_api import CreateRoleRequest, PermissionAnswer, Role, UpdateRoleRequest
from opsicle.wire.endpoints import roles as endpoints


class RoleCalls(Calls):
    """Roles, and whether somebody may do something."""

    def roles(self) -> Iterator[Role]:
        """Yield the built-in roles and the org's own."""
        return self._pages(endpoints.LIST_ROLES)

    def role(self, name: str) -> Role:
        """Return one role."""
        return self._call(endpoints.SHOW, name)

    def create_role(self, request: CreateRoleRequest) -> Role:
        """Make a role."""
        return self._call(endpoints.CREATE, body=request)

    def update_role(self, name: str, request: UpdateRoleRequest) -> Role:
        """Change what is given of a role."""
        return self._call(endpoints.UPDATE, name, body=request)

    def delete_role(self, name: str) -> None:
        """Remove a role."""
        self._call(endpoints.DELETE, name)

    def can(self, user: str, action: str, resource: str) -> PermissionAnswer:
        """Return whether somebody may do something, and by which rule."""
        query = {"user": user, "action": action, "resource": resource}
        return self._call(endpoints.CHECK_PERMISSION, query=query)
