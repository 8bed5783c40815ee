"""A file with a line of JSON for each event, which logrotate may take away at any time."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import gevent

from opsicle.server.forwarding.events import Event, json_line
from opsicle.server.threads import WorkerThread

_CLOSE_SECONDS = 1.0


class JsonLines:
    """Appends to a file, which is made with mode 0600. The disk holds nobody else up."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = WorkerThread()
        self._file: int | None = None
        self._count = 0

    def send(self, events: Sequence[Event]) -> None:
        """Append events, and see that they are on the disk."""
        self._thread.run(self._append, b"".join(map(json_line, events)))
        self._count += len(events)

    def confirmed(self) -> int:
        """Return how many were appended: all that were sent."""
        return self._count

    def close(self) -> None:
        """Close the file, once nothing is being written to it; wait for a moment at most."""
        self._count = 0
        gevent.with_timeout(_CLOSE_SECONDS, self._thread.run, self._close, timeout_value=None)

    def end(self) -> None:
        """Close the file for good."""
        self.close()
        self._thread.close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _append(self, lines: bytes) -> None:
        file = self._open()
        while lines:
            lines = lines[os.write(file, lines) :]
        os.fdatasync(file)

    def _open(self) -> int:
        """Return the file that has the path now, be it moved away or removed since."""
        if self._file is not None and not self._is_still_there(self._file):
            self._close()
        if self._file is None:
            self._file = self._open_anew()
        return self._file

    def _is_still_there(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False

    def _open_anew(self) -> int:
        # Without waiting: a pipe that has this path would otherwise hold us up until it is read.
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        file = os.open(self._path, flags, 0o600)
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "it is no plain file")
            # A line that a crash or a full disk has cut off is not to run into the next one.
            if found.st_size and os.pread(file, 1, found.st_size - 1) != b"\n":
                os.write(file, b"\n")
        except OSError:
            os.close(file)
            raise
        return file
