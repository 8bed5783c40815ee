"""Holding a program back until its process has been prepared from outside."""

from __future__ import annotations

import os
from collections.abc import Sequence

from opsicle.worker.process_limits import SHELLS_OWN

_WAIT = f'read -r opsicle_go && unset opsicle_go {SHELLS_OWN} && exec "$@" </dev/null'


class StartGate:
    """Makes a process that can be given limits, by its id, before its program runs.

    Until then it is a shell that waits for a line on `stdin`. If we die, it reads the end of that
    and ends, so nothing ever runs without its limits.
    """

    def __init__(self) -> None:
        self.stdin, self._way_in = os.pipe()

    @staticmethod
    def argv(argv: Sequence[bytes]) -> list[bytes]:
        """Return the command that waits, and then becomes `argv` in the same process."""
        return [b"/bin/sh", b"-c", _WAIT.encode(), b"sh", *argv]

    def open(self) -> None:
        """Let the program run."""
        os.write(self._way_in, b"\n")

    def close(self) -> None:
        """Give the descriptors back; what still waits ends."""
        os.close(self.stdin)
        os.close(self._way_in)
