"""Calls about the audit record."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire.audit import AuditEntry, AuditVerdict
from opsicle.wire.endpoints import audit as endpoints


class AuditCalls(Calls):
    """The record of who did what."""

    def audit(self, **filters: str | None) -> Iterator[AuditEntry]:
        """Yield the entries, newest first. The filters are the endpoint's query."""
        return self._pages(endpoints.LIST_ENTRIES, query=filters)

    def audit_export(self) -> Iterator[bytes]:
        """Yield the org's whole record as JSON Lines, in pieces."""
        with self._stream(endpoints.EXPORT) as stream:
            yield from stream.pieces

    def audit_verdict(self) -> AuditVerdict:
        """Let the server check the org's record, which may take as long as a request may."""
        return self._call(endpoints.VERIFY)

    def audit_key(self) -> str:
        """Return the public key of the server's records, as PEM."""
        return self._call(endpoints.SHOW_PUBLIC_KEY).decode("ascii", "replace")
