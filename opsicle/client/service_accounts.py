"""Calls about service accounts."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire.access_api import CreateServiceAccountRequest
from opsicle.wire.endpoints import service_accounts as endpoints
from opsicle.wire.user_api import User


class ServiceAccountCalls(Calls):
    """Accounts of programs."""

    def service_accounts(self) -> Iterator[User]:
        """Yield the org's service accounts."""
        return self._pages(endpoints.LIST_ACCOUNTS)

    def create_service_account(self, request: CreateServiceAccountRequest) -> User:
        """Make a service account."""
        return self._call(endpoints.CREATE, body=request)

    def delete_service_account(self, account: str) -> None:
        """Remove a service account."""
        self._call(endpoints.DELETE, account)
