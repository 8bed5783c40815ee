"""The private folder of one job: made before its first phase, gone after its last.

`<workspace root>/JOB/` (0700) is what the commands see as OPSICLE_WORKSPACE, and start in. Beside
it stand the files between worker and commands, made where they are needed: `JOB.marks`,
`JOB.script`, `JOB.output-0`. Most jobs leave nothing at all, so most cost one `mkdir`, and one
`rmdir`, which waits for the disk: such a folder is set aside as `JOB.gone` and removed later.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from opsicle.worker.os_account import OsAccount

log = logging.getLogger(__name__)

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Workspace:
    """The folder of one job at `path`, and the few files beside it.

    They are `account`'s, if the job runs as that.

    The folder in which all of this lies stays ours alone: else a job could have us write through a
    link of its own.
    """

    def __init__(self, root: Path, job_id: str, account: OsAccount | None = None) -> None:
        self._job_id = job_id
        self._account = account
        self.path = root.absolute() / job_id
        self._siblings: dict[str, Path] = {}

    def make(self) -> None:
        """Make the folder.

        Raises OSError if that cannot be done, ValueError for an id that is no file name.
        """
        if not _SAFE_NAME.fullmatch(self._job_id):
            raise ValueError("the job's id cannot be the name of a folder")

        try:
            self._make_folder()
        except FileNotFoundError:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_folder()
        except FileExistsError:  # an earlier run of the worker left it
            if problem := remove_folder(self.path):
                raise ValueError(problem) from None
            self._make_folder()

    def _make_folder(self) -> None:
        self.path.mkdir(mode=0o700)
        self.hand_over(self.path)

    def hand_over(self, path: Path) -> None:
        """Give a new file or folder beside the workspace to the user as whom the job runs."""
        if self._account:
            self._account.own(path)

    def sibling(self, suffix: str) -> Path:
        """Return a file of this job that is not in its commands' way; `remove` removes it too."""
        path = self._siblings[suffix] = Path(f"{self.path}.{suffix}")
        return path

    def write_script(self, text: bytes) -> Path:
        """Put a phase's script where its interpreter can read it."""
        path = self.sibling("script")
        path.unlink(missing_ok=True)  # one that is still being read stays as it is
        path.touch(mode=0o600)
        path.write_bytes(text)
        self.hand_over(path)
        return path

    def folder_for(self, working_directory: str | None) -> Path:
        """Return where a phase starts.

        Raises ValueError, saying why, if that is absent or not within the workspace.

        A workspace that an earlier phase has removed is made anew, so that clean-up phases run.
        Raises OSError if that cannot be done.
        """
        self._make_anew_if_removed()
        if working_directory is None:
            return self.path

        try:
            folder = (self.path / working_directory).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            raise ValueError(f"there is no folder {working_directory!r} in the workspace") from None

        if not folder.is_relative_to(self.path.resolve()):
            raise ValueError(
                f"the working directory {working_directory!r} is not within the workspace"
            )
        if not folder.is_dir():
            raise ValueError(f"the working directory {working_directory!r} is not a folder")

        return folder

    def _make_anew_if_removed(self) -> None:
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_folder()
            return

        if not stat.S_ISDIR(found.st_mode):
            raise ValueError(
                "the workspace is no folder any more; "
                "an earlier command has put something else there"
            )

    def remove_siblings(self) -> None:
        """Remove the files beside it."""
        for path in self._siblings.values():
            with suppress(OSError):
                path.unlink()

    def remove(self, put_off: Callable[[Callable[[], None]], None] | None = None) -> str:
        """Remove all of it. Returns why something is still there, or an empty string.

        `put_off` is handed what can wait, if anything can: an empty folder is only set aside here.
        """
        self.remove_siblings()
        if put_off and _is_empty(self.path):
            aside = Path(f"{self.path}.gone")
            with suppress(OSError):  # a mount stands in the way, and is told of
                os.rename(self.path, aside)  # noqa: PTH104 - which makes one path more
                put_off(partial(_remove_aside, aside))
                return ""
        return remove_folder(self.path)


def _is_empty(folder: Path) -> bool:
    try:
        return not os.listdir(folder)  # noqa: PTH208 - as `iterdir` does, without a path for each
    except OSError:
        return False


def _remove_aside(folder: Path) -> None:
    """Remove what was empty; a process that stands in it may have put something there since."""
    if problem := remove_folder(folder):
        log.warning(
            "what was a workspace is left", extra={"folder": folder.name, "reason": problem}
        )


def remove_folder(folder: Path) -> str:
    """Remove a workspace, write-protected parts too, without following a link out of it.

    Nothing is touched if a file system is mounted on it or within: it could be anybody's files.
    What is no folder is just unlinked. Returns what stood in the way, or an empty string.
    """
    try:
        # Mostly it is a folder with nothing in it; this follows no link, and leaves a mount.
        with suppress(OSError):
            folder.rmdir()
            return ""
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink(missing_ok=True)
            return ""
        if has_mount(folder):
            return "a file system is still mounted in the workspace, so it was left in place"
        _make_writable(folder)
        shutil.rmtree(folder)
    except OSError as problem:
        shutil.rmtree(folder, ignore_errors=True)  # the rest of it
        if folder.exists():
            return f"the workspace could not be removed: {problem.strerror}"

    return ""


def _make_writable(folder: Path) -> None:
    """Let the owner into every folder below: without that, not even the owner can empty it."""
    if os.geteuid() == 0:
        return
    for parent, names, _ in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            with suppress(OSError):
                mode = path.lstat().st_mode
                if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
                    path.chmod(mode | stat.S_IRWXU)


def has_mount(folder: Path) -> bool:
    """Return whether anything is mounted on it or within.

    `os.path.ismount` does not see binds of the same file system.
    """
    try:
        table = Path("/proc/self/mountinfo").read_bytes()
    except OSError:
        return False
    real = os.fsencode(folder.resolve())  # the table knows no links
    real = real.replace(b" ", rb"\040").replace(b"\t", rb"\011").replace(b"\n", rb"\012")
    mounted = (line.split(b" ", 5)[4] for line in table.splitlines())
    return any(place == real or place.startswith(real + b"/") for place in mounted)
