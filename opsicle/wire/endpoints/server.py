"""Endpoints about the server itself, most of them for machines."""

from __future__ import annotations

from typing import Any

from opsicle.wire.endpoint import Endpoint
from opsicle.wire.user_api import Health

HEALTHZ = Endpoint("GET", "/healthz", reply=Health)
READYZ = Endpoint("GET", "/readyz", reply=Health)
SHOW_METRICS = Endpoint(
    "GET", "/metrics", reply=bytes, content_type="text/plain; version=0.0.4; charset=utf-8"
)
OPENAPI = Endpoint("GET", "/api/openapi.json", reply=dict[str, Any])
CA = Endpoint("GET", "/api/v1/ca", reply=bytes, content_type="application/x-pem-file")
