"""Calls about workers."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire.endpoints import workers as endpoints
from opsicle.wire.fleet_api import (
    CreateJoinTokenRequest,
    NewJoinToken,
    UpdateWorkerRequest,
    Worker,
)

_CHANGES = {
    "drain": (endpoints.DRAIN, endpoints.DRAIN_SHARED),
    "undrain": (endpoints.UNDRAIN, endpoints.UNDRAIN_SHARED),
    "revoke": (endpoints.REVOKE, endpoints.REVOKE_SHARED),
}


class WorkerCalls(Calls):
    """Workers, each named by id or name: the org's, or the server operator's (`is_shared`)."""

    def workers(self, *, is_shared: bool = False, with_revoked: bool = False) -> Iterator[Worker]:
        """Yield the workers in the order in which they enrolled."""
        endpoint = endpoints.LIST_SHARED if is_shared else endpoints.LIST_WORKERS
        return self._pages(endpoint, query={"all": "true" if with_revoked else ""})

    def worker(self, who: str, *, is_shared: bool = False) -> Worker:
        """Return one worker."""
        return self._call(endpoints.SHOW_SHARED if is_shared else endpoints.SHOW, who)

    def change_worker(self, who: str, change: str, *, is_shared: bool = False) -> Worker:
        """Change a worker's state: `drain`, `undrain` or `revoke`."""
        return self._call(_CHANGES[change][is_shared], who)

    def update_worker(self, who: str, labels: dict[str, str], *, is_shared: bool = False) -> Worker:
        """Grant a worker these labels instead of those that it has."""
        endpoint = endpoints.UPDATE_SHARED if is_shared else endpoints.UPDATE
        return self._call(endpoint, who, body=UpdateWorkerRequest(labels=labels))

    def create_join_token(
        self, ttl_seconds: int, *, is_shared: bool = False, labels: dict[str, str] | None = None
    ) -> NewJoinToken:
        """Make the secret with which one worker can enrol.

        With `labels` the worker is granted these and no others.
        """
        request = CreateJoinTokenRequest(
            ttl_seconds=ttl_seconds, is_shared=is_shared, labels=labels
        )
        return self._call(endpoints.CREATE_JOIN_TOKEN, body=request)
