"""Calls about secrets."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire.endpoints import secrets as endpoints
from opsicle.wire.secret_api import CreateSecretRequest, Secret, UpdateSecretRequest


class SecretCalls(Calls):
    """Secrets, whose values only ever go in."""

    def secrets(self) -> Iterator[Secret]:
        """Yield the org's secrets."""
        return self._pages(endpoints.LIST_SECRETS)

    def secret(self, name: str) -> Secret:
        """Return one secret."""
        return self._call(endpoints.SHOW, name)

    def create_secret(self, request: CreateSecretRequest) -> Secret:
        """Keep a new secret."""
        return self._call(endpoints.CREATE, body=request)

    def update_secret(self, name: str, request: UpdateSecretRequest) -> Secret:
        """Give a secret its next value."""
        return self._call(endpoints.UPDATE, name, body=request)

    def delete_secret(self, name: str) -> None:
        """Remove a secret."""
        self._call(endpoints.DELETE, name)
