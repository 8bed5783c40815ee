"""Who may do what, as functions; see `api.py`."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from opsicle.client.calls import Calls, part
from opsicle.wire import access_api as wire


class AccessCalls(Calls):
    """Roles, and what they let people do."""

    def roles(self) -> Iterator[wire.Role]:
        """The built-in roles and the org's own."""
        return self._pages("/api/v1/roles", wire.Role)

    def role(self, name: str) -> wire.Role:
        """One role."""
        return self._get(f"/api/v1/roles/{part(name)}", wire.Role)

    def create_role(self, request: wire.CreateRoleRequest) -> wire.Role:
        """Make a role."""
        return self._post("/api/v1/roles", request, wire.Role)

    def update_role(self, name: str, request: wire.UpdateRoleRequest) -> wire.Role:
        """Change what is given of a role."""
        return self._send("PATCH", f"/api/v1/roles/{part(name)}", request, wire.Role)

    def delete_role(self, name: str) -> None:
        """Remove a role."""
        self._tell("DELETE", f"/api/v1/roles/{part(name)}")

    def can(self, user: str, action: str, resource: str) -> wire.Answer:
        """Whether somebody may do something, and by which rule."""
        query = urlencode({"user": user, "action": action, "resource": resource})
        return self._get(f"/api/v1/can?{query}", wire.Answer)
