"""Reading a file of an automation, whole and as it was, though the connection breaks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from opsicle.client.api import Api
from opsicle.domain.errors import Conflict, Unreachable
from opsicle.wire.artifact_api import Artifact
from opsicle.wire.endpoint import Endpoint
from opsicle.wire.endpoints import artifacts, files
from opsicle.wire.file_api import AutomationFile

DOWNLOAD_TRIES = 5


def download_artifact(api: Api, artifact: Artifact) -> Iterator[bytes]:
    """Yield the bytes of a file that a job left behind. As `_download`."""
    return _download(api, artifacts.DOWNLOAD, artifact, artifact.path)


def download_file(api: Api, file: AutomationFile) -> Iterator[bytes]:
    """Yield the bytes of a file that an automation was given. As `_download`."""
    return _download(api, files.DOWNLOAD, file, file.name)


def _download(
    api: Api, endpoint: Endpoint[bytes], file: Artifact | AutomationFile, name: str
) -> Iterator[bytes]:
    """Yield a file's bytes, in pieces.

    A broken connection is made anew and nothing read twice. Raises Conflict at the end if they are
    not those that the server took.
    """
    digest, offset, tries = hashlib.sha256(), 0, 0
    while offset < file.size:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            with api.stream(endpoint, file.id, headers=headers) as stream:
                for piece in stream.pieces:
                    offset, tries = offset + len(piece), 0
                    digest.update(piece)
                    yield piece
            if offset < file.size:
                raise Unreachable("the file broke off")
        except Unreachable:
            tries += 1
            if tries >= DOWNLOAD_TRIES or offset == 0:
                raise

    if offset != file.size or digest.hexdigest() != file.sha256:
        raise Conflict(
            f"{name} is not as it was when it came: its SHA-256 is another",
            hint="The file was altered on the server's disk, or on the way here.",
        )
