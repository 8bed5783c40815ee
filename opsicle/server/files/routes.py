"""Files that automations are given: to bring, and to take away."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from opsicle.domain.access import Action
from opsicle.server.files.service import Files
from opsicle.server.http.ranges import file_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.wire.endpoints import files as endpoints

_DOWNLOAD_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"


def routes(files: Files) -> list[Route]:
    """Return the routes of files."""
    return [
        Route(endpoints.UPLOAD, partial(upload, files), Action.AUTOMATIONS_CREATE),
        Route(endpoints.DOWNLOAD, partial(download, files), Action.AUTOMATIONS_VIEW),
    ]


def upload(files: Files, request: Request) -> Reply:
    """Upload a file, to be given to an automation within 24 hours.

    The body is what is in it, as `application/octet-stream`; `name` is what it is called, without
    folders. Its `id` in the answer is the value of a variable of type `file`.
    """
    read, name = request.stream(), request.query("name")
    return Reply(201, files.upload(request.actor, name, request.declared_length, read))


def download(files: Files, request: Request, file_id: str) -> Reply:
    """Return the bytes of a file that an automation was given; a `Range` where that is asked for.

    The `ETag` is its SHA-256.
    """
    row = files.get(request.actor, file_id)
    headers = (
        ("Content-Disposition", f"attachment; filename*=UTF-8''{quote(row.name, safe='')}"),
        ("Content-Security-Policy", _DOWNLOAD_POLICY),
    )
    return file_reply(request, f'"{row.sha256}"', row.size, partial(files.read, row), headers)
