"""Who may do what, as functions; see `api.py`."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from opsicle.client.calls import Calls, part
from opsicle.wire import access_api as wire
from opsicle.wire.user_api import ApiToken, CreateApiTokenRequest, NewApiToken, User


class AccessCalls(Calls):
    """Roles, groups, accounts of programs, and what they let people do."""

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

    def groups(self) -> Iterator[wire.Group]:
        """The org's groups with their members."""
        return self._pages("/api/v1/groups", wire.Group)

    def group(self, name: str) -> wire.Group:
        """One group."""
        return self._get(f"/api/v1/groups/{part(name)}", wire.Group)

    def create_group(self, request: wire.CreateGroupRequest) -> wire.Group:
        """Make a group without members."""
        return self._post("/api/v1/groups", request, wire.Group)

    def update_group(self, name: str, request: wire.UpdateGroupRequest) -> wire.Group:
        """Change what is given of a group."""
        return self._send("PATCH", f"/api/v1/groups/{part(name)}", request, wire.Group)

    def delete_group(self, name: str, *, is_confirmed: bool = False) -> None:
        """Remove a group. Raises LeavesBehind where approvals could not be given then, unless `is_confirmed`."""
        self._tell("DELETE", f"/api/v1/groups/{part(name)}?confirmed={str(is_confirmed).lower()}")

    def add_to_group(self, name: str, user: str) -> wire.Group:
        """Let a person join a group."""
        return self._send("PUT", f"/api/v1/groups/{part(name)}/members/{part(user)}", None, wire.Group)

    def remove_from_group(self, name: str, user: str) -> wire.Group:
        """Take a person out of a group."""
        return self._send("DELETE", f"/api/v1/groups/{part(name)}/members/{part(user)}", None, wire.Group)

    def service_accounts(self) -> Iterator[User]:
        """The org's service accounts."""
        return self._pages("/api/v1/service-accounts", User)

    def create_service_account(self, request: wire.CreateServiceAccountRequest) -> User:
        """Make a service account."""
        return self._post("/api/v1/service-accounts", request, User)

    def delete_service_account(self, account: str) -> None:
        """Remove a service account."""
        self._tell("DELETE", f"/api/v1/service-accounts/{part(account)}")

    def tokens(self, account: str = "") -> Iterator[ApiToken]:
        """The caller's own tokens, or those of one of their service accounts."""
        return self._pages("/api/v1/tokens", ApiToken, urlencode({"account": account}) if account else "")

    def create_token(self, request: CreateApiTokenRequest) -> NewApiToken:
        """Make a token for a program."""
        return self._post("/api/v1/tokens", request, NewApiToken)

    def delete_token(self, token_id: str) -> None:
        """End a token."""
        self._tell("DELETE", f"/api/v1/tokens/{part(token_id)}")
