"""Making the pipes that a process is given as its stdout and stderr."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from opsicle.worker.command_markers import ShellStreams


class StdioPipes:
    """Two pipes, for stdout and stderr.

    `writers` are their ends for the process, which stay open here until `end_writing`.

    `close`, which is harmless to call again, gives back all that was not taken.
    """

    def __init__(self) -> None:
        self.writers: list[int] = []
        self._readers: list[int] = []

    def take_readers(self) -> tuple[int, int]:
        """Return the reading ends, non-blocking; whoever takes them closes them."""
        stdout, stderr = self._readers
        self._readers = []
        return stdout, stderr

    def end_writing(self) -> None:
        """Close the writing ends."""
        while self.writers:
            os.close(self.writers.pop())

    def close(self) -> None:
        """Close what is open."""
        self.end_writing()
        while self._readers:
            os.close(self._readers.pop())


class AnonymousPipes(StdioPipes):
    """What a process usually prints to.

    `owner` is the user and group as whom it runs: else `echo >/dev/stderr` were refused, as to open
    it again asks who owns the pipe.
    """

    def __init__(self, owner: tuple[int, int] | None) -> None:
        super().__init__()
        try:
            for _ in range(2):
                reader, writer = os.pipe()
                self._readers.append(reader)
                self.writers.append(writer)
                os.set_blocking(reader, False)
                if owner:
                    os.fchown(writer, *owner)
        except OSError:
            self.close()
            raise


class NamedPipes(StdioPipes):
    """Pipes that a phase's shell can reach by name, whatever its own first files are by then.

    That their writing ends stay open here keeps them from ending while the shell lives.

    `hand_over` gives them to the user as whom it runs.
    """

    def __init__(self, start: str, hand_over: Callable[[Path], None]) -> None:
        super().__init__()
        self._start = start
        self._hand_over = hand_over
        self._is_made = False

    @property
    def paths(self) -> tuple[Path, Path]:
        """Where they are, or would be: most phases need none."""
        return Path(f"{self._start}.stdout"), Path(f"{self._start}.stderr")

    def make(self) -> ShellStreams:
        """Make them, anew if they are there. Raises OSError."""
        self._is_made = True
        self.close()
        try:
            for path in self.paths:
                os.mkfifo(path, 0o600)
                self._hand_over(path)
                # First for reading: a pipe without a reader is not opened for writing.
                self._readers.append(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
                self.writers.append(os.open(path, os.O_WRONLY | os.O_CLOEXEC))
        except OSError:
            self.close()
            raise

        # `<>` opens a pipe without waiting for its reader.
        stdout, stderr = (f"1<>{shlex.quote(str(path))}" for path in self.paths)
        return ShellStreams(stdout, stderr)

    def close(self) -> None:
        """Close what is open, and remove the names."""
        super().close()
        for path in self.paths if self._is_made else ():
            with suppress(OSError):
                path.unlink()
