"""Reading a file that a job left behind, whole and as it was, though the connection breaks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from opsicle.client.api import Api
from opsicle.domain.errors import Conflict, Unreachable
from opsicle.wire.artifact_api import Artifact
from opsicle.wire.endpoints import artifacts as endpoints

DOWNLOAD_TRIES = 5


def download(api: Api, artifact: Artifact) -> Iterator[bytes]:
    """Yield an artifact's bytes, in pieces.

    A broken connection is made anew and nothing read twice. Raises Conflict at the end if they are
    not those that the job left.
    """
    digest, offset, tries = hashlib.sha256(), 0, 0
    while offset < artifact.size:
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        try:
            with api.stream(endpoints.DOWNLOAD, artifact.id, headers=headers) as stream:
                for piece in stream.pieces:
                    offset, tries = offset + len(piece), 0
                    digest.update(piece)
                    yield piece
            if offset < artifact.size:
                raise Unreachable("the file broke off")
        except Unreachable:
            tries += 1
            if tries >= DOWNLOAD_TRIES or offset == 0:
                raise

    if offset != artifact.size or digest.hexdigest() != artifact.sha256:
        raise Conflict(
            f"{artifact.path} is not as the job left it: its SHA-256 is another",
            hint="The file was altered on the server's disk, or on the way here.",
        )
