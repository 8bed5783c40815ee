"""Files that a command reads: `-` is standard input wherever one is taken."""

from __future__ import annotations

import sys
from pathlib import Path

from opsicle.cli.invocation import current

STDIN = "-"


def read_start(path: str | Path, limit: int) -> bytes:
    """The first `limit` bytes of a file, or of standard input for `-`.

    Raises OSError, ValueError for what is no file name, and UsageError for standard input that was read already: what
    comes second would find nothing and take it for an empty file.
    """
    if str(path) != STDIN:
        with Path(path).open("rb") as file:
            return file.read(limit)
    invocation = current()
    if invocation.is_stdin_read:
        from opsicle.domain.errors import UsageError

        raise UsageError("only one file can be `-`: standard input is read once")
    invocation.is_stdin_read = True
    return sys.stdin.buffer.read(limit) if sys.stdin is not None else b""
