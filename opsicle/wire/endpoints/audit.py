"""Endpoints of the audit record."""

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
EXPORT = Endpoint("GET", "/api/v1/audit/export", reply=bytes, content_type="application/jsonl")
VERIFY = Endpoint(
    "GET",
    "/api/v1/audit/verify",
    reply=AuditVerdict,
    description=(
        "Check the org's whole record, and name the first entry that is not as it was written."
    ),
)
SHOW_PUBLIC_KEY = Endpoint(
    "GET", "/api/v1/audit/key", reply=bytes, content_type="application/x-pem-file"
)
