"""Standard input, output and error where the process was started without one.

Schedulers and daemons do that.

Then the descriptor is free, and the next file or socket that is opened would get it: what is
printed would land there.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path
from typing import BinaryIO, TextIO, cast

NO_OUTPUT = "standard output is closed"


def ensure() -> None:
    """Put something harmless in the place of what is missing.

    Reading finds nothing. What goes to standard error goes nowhere. What goes to standard output
    fails with an OSError whose text is NO_OUTPUT, since a command must not seem to have said what
    nobody could read.
    """
    for descriptor in (0, 1, 2):
        if not _is_open(descriptor):
            _occupy(descriptor)

    # These stay open for as long as the process lives.
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = cast("TextIO", _Closed())


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _occupy(descriptor: int) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)


class _Closed(io.TextIOBase):
    """Takes nothing, and keeps nothing of what it has refused."""

    encoding = "utf-8"
    errors = "strict"

    @property
    def buffer(self) -> BinaryIO:
        """Itself: bytes are refused as text is."""
        return cast("BinaryIO", self)

    def fileno(self) -> int:
        """Return the descriptor that something harmless occupies."""
        return 1

    def write(self, content: str, /) -> int:
        """Raise OSError, unless there is nothing to write."""
        if content:
            raise OSError(errno.EBADF, NO_OUTPUT)
        return 0
