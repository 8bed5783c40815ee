"""Copies of the files that a job's phases left behind, until the server has them.

`artifacts/JOB/` in the worker's data folder holds them by number, and `index`, in which each has a
line: the copy is whole once its line is there. A line that a crash has torn is passed over. What
the server has settled is gone from the folder, and that is all that says so.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from opsicle.kit import files

log = logging.getLogger(__name__)


class SpooledArtifact(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file that a phase left behind, or the `problem` that kept it from being kept."""

    number: int
    phase: int
    path: str
    size: int = 0
    sha256: str = ""
    problem: str = ""


_decode = msgspec.json.Decoder(SpooledArtifact).decode
_encode = msgspec.json.Encoder().encode


class ArtifactSpool:
    """What of a job the server does not have yet. The job's thread adds, any one takes."""

    def __init__(self, folder: Path, job_id: str) -> None:
        self._folder = folder / job_id
        self._lock = threading.Lock()
        self._waiting: dict[int, SpooledArtifact] = {}
        self._next = 0
        self._has_folder = False
        self.kept_bytes = 0
        self.count = 0

    def recover(self) -> None:
        """Learn what an earlier life of the worker left here. Raises OSError.

        It may have ended amid its first copy, before there was an index.
        """
        self._has_folder = self._folder.exists()
        try:
            lines = (self._folder / "index").read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                artifact = _decode(line)
                self._next = max(self._next, artifact.number + 1)
                self.kept_bytes += artifact.size
                self.count += 1
                if self._content(artifact.number).exists():
                    self._waiting[artifact.number] = artifact

    @contextmanager
    def draft(self) -> Iterator[tuple[int, int]]:
        """Open the next copy; yield its number and descriptor.

        What is not added by the end of the context is removed. Raises OSError.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._has_folder = True
        number, self._next = self._next, self._next + 1
        path = self._content(number)
        # What a torn line of an earlier life belongs to may be in the way.
        path.unlink(missing_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            yield number, fd
        finally:
            os.close(fd)
            if number not in self._waiting:
                path.unlink(missing_ok=True)

    def add(self, artifact: SpooledArtifact) -> None:
        """Keep what was drafted, or why it was not kept. Raises OSError."""
        line = _encode(artifact) + b"\n"
        fd = os.open(
            self._folder / "index", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            # Begun on a line of its own, also behind one that a crash has torn.
            files.write_all(fd, b"\n" + line)
        finally:
            os.close(fd)
        with self._lock:
            self._waiting[artifact.number] = artifact
            self.kept_bytes += artifact.size
            self.count += 1

    def waiting(self) -> list[SpooledArtifact]:
        """Return what the server has not settled, in the order in which it was left."""
        with self._lock:
            return list(self._waiting.values())

    def read(self, artifact: SpooledArtifact, offset: int, size: int) -> bytes:
        """Return up to so many bytes of a copy. Raises OSError."""
        with self._content(artifact.number).open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def acknowledge(self, artifact: SpooledArtifact) -> None:
        """Let a copy go that the server has settled; harmless to repeat."""
        with self._lock:
            self._waiting.pop(artifact.number, None)
        with suppress(OSError):
            self._content(artifact.number).unlink()

    def sync(self) -> None:
        """Let what waits outlive the machine too. Raises OSError."""
        waiting = self.waiting()
        for name in [*(str(artifact.number) for artifact in waiting), "index"] if waiting else ():
            fd = os.open(self._folder / name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        if waiting:
            files.sync_folder(self._folder)
            files.sync_folder(self._folder.parent)

    def discard(self) -> None:
        """Remove everything."""
        with self._lock:
            self._waiting.clear()
        if self._has_folder:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _content(self, number: int) -> Path:
        return self._folder / str(number)
