"""The endpoints about the server itself."""

from __future__ import annotations

from opsicle.wire.endpoint import Endpoint
from opsicle.wire.user_api import Health

HEALTHZ = Endpoint("GET", "/healthz", reply=Health)
READYZ = Endpoint("GET", "/readyz", reply=Health)
CA = Endpoint[bytes]("GET", "/api/v1/ca", content_type="application/x-pem-file")
