"""Artifacts: what is in them, to take away and to look at."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict
from opsicle.server.artifacts.inline_files import (
    FRAME_POLICY,
    MAX_PICTURE_BYTES,
    READ_BYTES,
    SIGNATURE_BYTES,
    inline_text,
    picture_type,
)
from opsicle.server.artifacts.service import Artifacts
from opsicle.server.http.ranges import file_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.wire.endpoints import artifacts as endpoints

_DOWNLOAD_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"


def routes(artifacts: Artifacts) -> list[Route]:
    """Return the routes of artifacts."""
    view = Action.AUTOMATIONS_VIEW
    return [
        Route(endpoints.DOWNLOAD, partial(download, artifacts), view),
        Route(endpoints.SHOW, partial(show, artifacts), view),
    ]


def download(artifacts: Artifacts, request: Request, artifact_id: str) -> Reply:
    """Return an artifact's bytes, to be saved; a `Range` of them where that is asked for.

    The `ETag` is its SHA-256.
    """
    row = artifacts.get(request.actor, artifact_id)
    headers = (
        ("Content-Disposition", f"attachment; filename*=UTF-8''{_file_name(row.path)}"),
        ("Content-Security-Policy", _DOWNLOAD_POLICY),
    )
    return file_reply(request, f'"{row.sha256}"', row.size, partial(artifacts.read, row), headers)


def show(artifacts: Artifacts, request: Request, artifact_id: str) -> Reply:
    """Return an artifact as a page may show it: text, a picture, or HTML for a sandboxed frame.

    Long text is cut off. What cannot be shown is a `conflict`.
    """
    row = artifacts.get(request.actor, artifact_id)
    headers = (
        ("Content-Disposition", "inline"),
        ("Content-Security-Policy", FRAME_POLICY),
        ("X-DNS-Prefetch-Control", "off"),
        ("Opsicle-Artifact-Size", str(row.size)),
    )
    picture = picture_type(artifacts.read_whole(row, SIGNATURE_BYTES))
    if picture and row.size <= MAX_PICTURE_BYTES:
        pieces = artifacts.read(row, 0, row.size)  # it may be large: never all of it at once
        length = ("Content-Length", str(row.size))
        return Reply(200, stream=pieces, content_type=picture, headers=(*headers, length))

    shown = None if picture else inline_text(row.path, artifacts.read_whole(row, READ_BYTES))
    if shown is None:
        raise Conflict("this file cannot be shown in a page", hint="Download it.")
    return Reply(200, raw=shown.content, content_type=shown.content_type, headers=headers)


def _file_name(path: str) -> str:
    """Return the last part of a path, as RFC 8187 spells it in a header."""
    return quote(path.rpartition("/")[2], safe="")
