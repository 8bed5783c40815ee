"""Endpoints of artifacts. An automation lists its own; here is what is in them."""

from __future__ import annotations

from opsicle.wire.endpoint import Endpoint

DOWNLOAD = Endpoint(
    "GET",
    "/api/v1/artifacts/<artifact_id>",
    reply=bytes,
    content_type="application/octet-stream",
)
SHOW = Endpoint(
    "GET",
    "/api/v1/artifacts/<artifact_id>/view",
    reply=bytes,
    content_type="text/plain",
)
