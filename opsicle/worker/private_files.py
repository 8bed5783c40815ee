"""Files between a worker and the commands of one job that are to reach no disk.

Secrets, and values to be masked.

They lie in one folder for all jobs of a worker, open to its account alone, in memory where the
system has a place for that. Linux calls it `/dev/shm`; elsewhere the folder of the workspaces must
do.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from opsicle.kit import files
from opsicle.worker.secret_forms import MIN_FORM_BYTES
from opsicle.worker.stdio_pipes import NamedPipes
from opsicle.worker.workspace import remove_folder

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - its folder is made with mode 0700, or not used
_LONGEST_TAIL = 64 * 1024
_READS_AT_ONCE = 32
"""2 MiB, more than a pipe holds (1 MiB at most): whoever never stops writing must not hold the job
up."""

_MOST_VALUES, _MOST_BYTES = 200, 1024 * 1024
"""That a job may have masked, all values together: each takes some sixty forms to look for, in all
that the job prints, and these are kept in the worker's memory."""


def private_folder(workspace_root: Path, *, lets_through: bool = False) -> Path:
    """Return the private folder for jobs with workspaces in `workspace_root`.

    It is the same at each call, and exists.

    What somebody else has put in its place is not used. `lets_through`: the files in it are for
    other users, too, each of which can open its own by name and see no others.
    """
    mode = 0o711 if lets_through else 0o700
    folder = _IN_MEMORY / f"opsicle-{os.geteuid()}-{mark(workspace_root)}"
    with suppress(OSError):  # it is there already, or no such place is
        folder.mkdir(mode=mode)

    try:
        found = folder.lstat()
        is_ours = (
            stat.S_ISDIR(found.st_mode)
            and found.st_uid == os.geteuid()
            and not found.st_mode & 0o066
        )
        if is_ours and stat.S_IMODE(found.st_mode) != mode:
            folder.chmod(mode)
    except OSError:
        return workspace_root

    return folder if is_ours else workspace_root


def mark(workspace_root: Path) -> str:
    """Return what the names of private folders for these workspaces end with, of every user."""
    return hashlib.sha256(os.fsencode(workspace_root.absolute())).hexdigest()[:16]


def remove_stale_files(folder: Path) -> None:
    """Remove what an earlier run of the worker left in its folder in memory."""
    if folder.parent == _IN_MEMORY:
        for path in folder.iterdir():
            _remove(path)


def remove_private_folder(folder: Path) -> None:
    """Remove the folder in memory at a clean end, when nothing is in it any more."""
    if folder.parent == _IN_MEMORY:
        with suppress(OSError):
            folder.rmdir()


def _remove(path: Path) -> None:
    """Remove a file, or the folder that a job has put in its place. Raises OSError."""
    try:
        path.unlink(missing_ok=True)
    except IsADirectoryError:
        remove_folder(path)


def _open_new(path: Path) -> int:
    """Open a new file of mode 0600 for writing, in the place of whatever is there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileExistsError:  # an earlier run of the worker left it, or the job put it there
        _remove(path)
        return os.open(path, flags, 0o600)


class PrivateFiles:
    """The files of one job.

    What is written here goes at the end of the phase or job that it is for.

    `hand_over` gives a new file to the user as whom the job runs.
    """

    def __init__(
        self, folder: Path, job_id: str, hand_over: Callable[[Path], None] = lambda _path: None
    ) -> None:
        self._hand_over = hand_over
        self._start = f"{folder}/{job_id}"
        self._secrets: list[Path] = []

    def write_secrets(self, values: Mapping[str, str]) -> dict[str, str]:
        """Write each secret into a file of mode 0600; returns the paths by the secrets' names.

        Raises OSError.

        The last line has its line break, which a secret's value is kept without: OpenSSH refuses a
        key that lacks it.
        """
        paths = {}
        for name, value in values.items():
            content = value.encode() + (b"" if value.endswith("\n") else b"\n")
            paths[name] = str(self.write(f"secret.{name}", content))

        return paths

    def write(self, name: str, content: bytes, mode: int = 0o600, *, is_ours: bool = False) -> Path:
        """Write one more file that goes with the secrets. Raises OSError.

        `is_ours`: it is for a program of the worker's own, and for nothing of the job.
        """
        path = Path(f"{self._start}.{name}")
        self._secrets.append(path)
        fd = _open_new(path)
        try:
            if mode != 0o600:
                os.fchmod(fd, mode)
            if not is_ours:
                self._hand_over(path)
            files.write_all(fd, content)
        finally:
            os.close(fd)
        return path

    def remove_secrets(self) -> None:
        """Remove the secrets' files; harmless to call again."""
        while self._secrets:
            with suppress(OSError):
                _remove(self._secrets.pop())

    def stdio_pipes(self) -> NamedPipes:
        """Return pipes for the two streams of a try, which are yet to be made."""
        return NamedPipes(self._start, self._hand_over)

    def open_mask_requests(self) -> MaskRequests:
        """Make the pipe for values to be masked. Raises OSError."""
        requests = MaskRequests(Path(f"{self._start}.mask"))
        self._hand_over(requests.path)
        return requests


class MaskRequests:
    """The named pipe for values to mask from then on, one a line, which commands write.

    Whoever has written a value may print it at once: what is read of the job's output is masked
    only after this has been read, so that nothing printed after the value gets past it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.has_ignored = False
        """Whether a value was too short or too long to be masked, or one too many."""

        try:
            os.mkfifo(path, 0o600)
        except FileExistsError:  # an earlier run of the worker left it
            path.unlink(missing_ok=True)
            os.mkfifo(path, 0o600)

        # Opened for both, it never reports an end, and no command waits for a reader.
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._tail = b""
        self._taken = self._taken_bytes = 0

    def read(self) -> list[str]:
        """Return the values that were written since the last time.

        A last line without its end counts already.
        """
        written = b""
        with suppress(BlockingIOError):
            for _ in range(_READS_AT_ONCE):
                written += os.read(self.fd, 65536)

        if not written:
            return []

        *lines, tail = (self._tail + written).split(b"\n")
        self._tail = tail[:_LONGEST_TAIL]
        self.has_ignored |= len(tail) > _LONGEST_TAIL or any(
            0 < len(line) < MIN_FORM_BYTES for line in lines
        )
        values = [line.strip(b"\r") for line in (*lines, self._tail) if len(line) >= MIN_FORM_BYTES]
        return [
            value.decode(errors="surrogateescape") for value in values if self._has_space_for(value)
        ]

    def _has_space_for(self, value: bytes) -> bool:
        """Return whether one more value is masked; it counts from then on."""
        has_space = (
            self._taken < _MOST_VALUES
            and len(value) <= _LONGEST_TAIL
            and self._taken_bytes + len(value) <= _MOST_BYTES
        )
        self.has_ignored |= not has_space
        if has_space:
            self._taken += 1
            self._taken_bytes += len(value)
        return has_space

    def close(self) -> None:
        """Give descriptor and name back."""
        os.close(self.fd)
        with suppress(OSError):
            self.path.unlink()
