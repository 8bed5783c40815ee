"""Files between a worker and the commands of one job that are to reach no disk: secrets, and values to be masked.

They lie in one folder for all jobs of a worker, open to its account alone, in memory where the system has a place for
that. Linux calls it `/dev/shm`; elsewhere the folder of the workspaces must do.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from opsicle.worker.secret_forms import MIN_FORM_BYTES

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - its folder is made with mode 0700, or not used
_LONGEST_TAIL = 64 * 1024
_MOST_AT_ONCE = 1024 * 1024  # as much as a pipe can ever hold, so that what was written before is read whole
_MOST_VALUES = 200
_MOST_BYTES = 512 * 1024
"""That a job may have masked: each takes some sixty forms to look for, in all that the job prints."""


def private_folder(workspace_root: Path, *, lets_through: bool = False) -> Path:
    """Return the folder for the jobs whose workspaces are in `workspace_root`, the same at each call; it exists.

    What somebody else has put in its place is not used. `lets_through`: the files in it are for other users, too, each
    of which can open its own by name and see no others.
    """
    mode = 0o711 if lets_through else 0o700
    mark = hashlib.sha256(os.fsencode(workspace_root.absolute())).hexdigest()[:16]
    folder = _IN_MEMORY / f"opsicle-{os.geteuid()}-{mark}"
    with suppress(OSError):  # it is there already, or no such place is
        folder.mkdir(mode=mode)
    try:
        found = folder.lstat()
        is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o066
        if is_ours and stat.S_IMODE(found.st_mode) != mode:
            folder.chmod(mode)
    except OSError:
        return workspace_root
    return folder if is_ours else workspace_root


def remove_leftovers(folder: Path) -> None:
    """Remove what an earlier life of the worker left in its folder in memory."""
    if folder.parent == _IN_MEMORY:
        for path in folder.iterdir():
            path.unlink(missing_ok=True)


class PrivateFiles:
    """The files of one job. What is written here goes at the end of the phase or job that it is for.

    `hand_over` gives a new file to the user as whom the job runs.
    """

    def __init__(self, folder: Path, job_id: str, hand_over: Callable[[Path], None] = lambda _path: None) -> None:
        self._hand_over = hand_over
        self._start = f"{folder}/{job_id}"
        self._secrets: list[Path] = []

    def write_secrets(self, values: Mapping[str, str]) -> dict[str, str]:
        """Write each secret into a file of mode 0600; returns the paths by the secrets' names. Raises OSError.

        The last line has its line break, which a secret's value is kept without: OpenSSH refuses a key that lacks it.
        """
        paths = {}
        for name, value in values.items():
            path = Path(f"{self._start}.secret.{name}")
            path.unlink(missing_ok=True)
            self._secrets.append(path)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                self._hand_over(path)
                file.write(value.encode() + (b"" if value.endswith("\n") else b"\n"))
            paths[name] = str(path)
        return paths

    def remove_secrets(self) -> None:
        """Remove the secrets' files; harmless to call again."""
        while self._secrets:
            with suppress(OSError):
                self._secrets.pop().unlink()

    def open_mask_requests(self) -> MaskRequests:
        """Make the pipe for values to be masked. Raises OSError."""
        requests = MaskRequests(Path(f"{self._start}.mask"))
        self._hand_over(requests.path)
        return requests


class MaskRequests:
    """The named pipe into which a job's commands write values that are to be masked from then on, one a line.

    Whoever has written a value may print it at once: what is read of the job's output is masked only after this has
    been read, so that nothing printed after the value gets past it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.has_ignored = False
        """Whether a value was too short to be masked, or one too many."""
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
        # Opened for both, it never reports an end, and no command waits for a reader.
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._tail = b""
        self._taken = self._taken_bytes = 0

    def read(self) -> list[str]:
        """Return the values that were written since the last time; a last line without its end counts already.

        Never more than a pipe holds at once: whoever does not stop writing cannot keep us from all else.
        """
        written = b""
        with suppress(BlockingIOError):
            while len(written) < _MOST_AT_ONCE and (piece := os.read(self.fd, 65536)):
                written += piece
        if not written:
            return []
        *lines, tail = (self._tail + written).split(b"\n")
        self._tail = tail[:_LONGEST_TAIL]
        self.has_ignored |= any(0 < len(line) < MIN_FORM_BYTES for line in lines)
        values = [line.strip(b"\r") for line in (*lines, self._tail) if len(line) >= MIN_FORM_BYTES]
        taken = [value for value in values if self._has_room_for(value)]
        self.has_ignored |= len(values) > len(taken)
        return [value.decode(errors="surrogateescape") for value in taken]

    def _has_room_for(self, value: bytes) -> bool:
        """Whether the job may have this masked too; if so, it counts."""
        if self._taken >= _MOST_VALUES or self._taken_bytes + len(value) > _MOST_BYTES:
            return False
        self._taken += 1
        self._taken_bytes += len(value)
        return True

    def close(self) -> None:
        """Give descriptor and name back."""
        os.close(self.fd)
        with suppress(OSError):
            self.path.unlink()
