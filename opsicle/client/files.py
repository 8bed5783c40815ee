"""Uploading a file that an automation is to be given."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from opsicle.client.api import Api
from opsicle.domain.errors import Unavailable, Unreachable
from opsicle.kit.backoff import Backoff
from opsicle.wire.endpoints import files as endpoints
from opsicle.wire.file_api import UploadedFile

UPLOAD_TRIES = 4
_PIECE_BYTES = 128 * 1024
_WAIT_SECONDS = (0.1, 2.0)


def upload(api: Api, path: Path, on_progress: Callable[[int, int], None]) -> UploadedFile:
    """Upload a file, from its beginning again where the connection breaks.

    `on_progress` is told how many bytes of how many are sent. Raises OSError for a file that cannot
    be read, and what the server says.
    """
    from opsicle.client.trust import is_certificate_refused  # its imports take long

    backoff = Backoff(*_WAIT_SECONDS)
    for _ in range(UPLOAD_TRIES - 1):
        try:
            return _upload(api, path, on_progress)
        except (Unreachable, Unavailable) as error:
            if is_certificate_refused(error):
                raise
        time.sleep(backoff.next_delay())
    return _upload(api, path, on_progress)


def _upload(api: Api, path: Path, on_progress: Callable[[int, int], None]) -> UploadedFile:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        pieces = _pieces(file, size, on_progress)
        return api.send_file(endpoints.UPLOAD, pieces, size, query={"name": path.name})


def _pieces(file: BinaryIO, size: int, on_progress: Callable[[int, int], None]) -> Iterator[bytes]:
    """Yield as much as was announced: a file that grows meanwhile is cut where it ended."""
    sent = 0
    while piece := file.read(min(_PIECE_BYTES, size - sent)):
        sent += len(piece)
        on_progress(sent, size)
        yield piece
