"""The endpoints of audit."""

from __future__ import annotations

from opsicle.wire.audit import AuditEntry, AuditVerdict
from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page

LIST_ENTRIES = Endpoint(
    "GET",
    "/api/v1/audit",
    reply=Page[AuditEntry],
    query=PAGE | {"verb": str, "actor": str, "resource": str, "since": str, "until": str},
)
EXPORT = Endpoint[bytes]("GET", "/api/v1/audit/export", content_type="application/jsonl")
VERIFY = Endpoint("GET", "/api/v1/audit/verify", reply=AuditVerdict)
KEY = Endpoint[bytes]("GET", "/api/v1/audit/key", content_type="application/x-pem-file")
