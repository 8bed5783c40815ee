"""Litestream beside a server: which version is installed, and when it copied last."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from opsicle.server import replicas

TESTED = "0.5"
"""The release with which the standby of the documentation is tested."""

_VERSION = re.compile(r"v?(\d+\.\d+)\S*")
_SECONDS = 10.0


class LitestreamReport(msgspec.Struct, frozen=True, kw_only=True):
    """What copies a server's state elsewhere.

    `version` is that of the program on the path, "" for none or one that does not say; it may be
    another than the one that runs. `copied_at` is when the running one last took something from the
    state, None where that cannot be read; `is_behind` is whether more was written since.
    """

    version: str
    is_tested: bool
    copied_at: datetime | None
    is_behind: bool


def look(folder: Path) -> LitestreamReport | None:
    """Return what is known of Litestream on a server's data folder, None if it never ran there."""
    copies = f".{replicas.DATABASES[0]}-litestream"
    if not (folder / copies).is_dir():
        return None
    version = _installed()
    piece, is_behind = None, False
    with suppress(OSError, ValueError):
        piece = replicas.find_newest(folder, copies)
        is_behind = piece is not None and replicas.has_more(folder / replicas.DATABASES[0], piece)
    return LitestreamReport(
        version=version,
        is_tested=(found := _VERSION.fullmatch(version)) is not None and found[1] == TESTED,
        copied_at=datetime.fromtimestamp(piece.at, UTC) if piece else None,
        is_behind=is_behind,
    )


def _installed() -> str:
    """Return the version of the program on the path."""
    program = shutil.which("litestream")
    if program is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - what the operator has on the path
            [program, "version"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout.strip()[:40] if _VERSION.fullmatch(done.stdout.strip()) else ""
