"""Endpoints of files that automations are given. An automation lists its own."""

from __future__ import annotations

from opsicle.wire.endpoint import Endpoint
from opsicle.wire.file_api import UploadedFile

UPLOAD = Endpoint(
    "POST",
    "/api/v1/files",
    body=bytes,
    reply=UploadedFile,
    query={"name": str},
    status=201,
)
DOWNLOAD = Endpoint(
    "GET",
    "/api/v1/files/<file_id>",
    reply=bytes,
    content_type="application/octet-stream",
)
