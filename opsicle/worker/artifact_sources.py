"""Where the files lie that a phase leaves behind: in the workspace, or where a runtime has them.

A workspace is its commands' own. They may still run, and put a link in the place of whatever was
looked at a moment ago. So every folder and file is opened below the one before it, never through a
link, and what was opened is looked at again. Nothing is taken that is not the job's to give: no
link, no device or pipe, nothing on another file system, and where jobs run as another user, no file
with a second name (it could be a hard link to somebody else's).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from opsicle.domain.artifacts import PatternWalk
from opsicle.worker.os_account import OsAccount

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MOST_DEPTH = 64
MOST_NAMES = 100_000
"""That are looked at for one phase: a phase that leaves more is told to say more precisely."""

A_LINK = "it is a symbolic link"
A_FOLDER = "it is a folder; `/**` behind it means what is in it"
NO_FILE = "it is no regular file"
A_PIPE, A_SOCKET, A_DEVICE = "it is a named pipe", "it is a socket", "it is a device"
_BY_MODE = {
    stat.S_IFLNK: A_LINK,
    stat.S_IFIFO: A_PIPE,
    stat.S_IFSOCK: A_SOCKET,
    stat.S_IFCHR: A_DEVICE,
    stat.S_IFBLK: A_DEVICE,
    stat.S_IFDIR: A_FOLDER,
}

Read = Callable[[int], bytes]
"""Returns up to so many bytes that come next; none at the end. Raises OSError, NotTaken."""


class NotTaken(Exception):
    """A file is not taken; the text says why."""


class LeftFile(NamedTuple):
    """A name that patterns mean.

    `open` gives what reads it, and is told what raises NotTaken for a size that is too large. It
    raises NotTaken for what is not to be taken.
    """

    path: str
    open: Callable[[Callable[[int], None]], AbstractContextManager[Read]]


class ArtifactSource(Protocol):
    """Finds the files that a phase has left."""

    def find(self, patterns: Sequence[str]) -> Generator[LeftFile]:
        """Yield what patterns mean, in the order of names; each is read before the next, or never.

        Raises OSError or NotTaken where no more can be found.
        """


class WorkspaceSource:
    """The files in a workspace on this machine. `account` is as whom its job runs."""

    def __init__(self, folder: Path, account: OsAccount | None) -> None:
        self._folder = folder
        self._account = account
        self._device = 0  # the workspace's, once that is open

    def find(self, patterns: Sequence[str]) -> Generator[LeftFile]:
        """Yield what patterns mean. Raises OSError, NotTaken."""
        root = os.open(self._folder, _FOLDER)
        try:
            self._device = os.fstat(root).st_dev
            for place in self._walk(root, "", PatternWalk.begin(patterns), _Budget()):
                yield LeftFile(place.path, partial(self.open, place))
        finally:
            os.close(root)

    def _walk(
        self, folder_fd: int, parent: str, patterns: PatternWalk, budget: _Budget
    ) -> Iterator[Named]:
        """Yield what is meant in a folder and below it, in the order of the names."""
        for name in sorted(os.listdir(folder_fd)):
            budget.count()
            here = patterns.enter(name)
            if not (here.is_complete or here.goes_on):
                continue
            try:
                seen = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
            except FileNotFoundError:  # its command still runs
                continue

            path = f"{parent}{name}"
            if stat.S_ISDIR(seen.st_mode) and here.goes_on:
                yield from self._enter(Named(path, name, folder_fd, seen), here, budget)
            elif here.is_complete:
                yield Named(path, name, folder_fd, seen)

    def _enter(self, place: Named, patterns: PatternWalk, budget: _Budget) -> Iterator[Named]:
        if place.path.count("/") >= MOST_DEPTH or place.seen.st_dev != self._device:
            return
        try:
            fd = os.open(place.name, _FOLDER, dir_fd=place.folder_fd)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES}:
                return  # gone, or another thing now, or closed to us
            raise
        try:
            yield from self._walk(fd, f"{place.path}/", patterns, budget)
        finally:
            os.close(fd)

    @contextmanager
    def open(self, place: Named, check_size: Callable[[int], None]) -> Iterator[Read]:
        """Open what was found, if it still is a file of the job's own. Raises NotTaken."""
        _require_plain(place.seen)
        try:
            fd = os.open(place.name, _FILE, dir_fd=place.folder_fd)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise NotTaken(A_LINK) from None
            raise NotTaken(f"it cannot be read: {error.strerror}") from None
        try:
            found = os.fstat(fd)
            _require_plain(found)
            if found.st_dev != self._device:
                raise NotTaken("it is on another file system than the workspace")
            if self._account and found.st_nlink > 1:
                raise NotTaken("it has a second name (a hard link), and may be another's file")
            check_size(found.st_size)
            yield partial(os.read, fd)
        finally:
            os.close(fd)


class Named(NamedTuple):
    """A name in a workspace: its path, the folder that holds it, and what it was seen to be."""

    path: str
    name: str
    folder_fd: int
    seen: os.stat_result


class _Budget:
    """How many names have been looked at."""

    def __init__(self) -> None:
        self._names = 0

    def count(self) -> None:
        self._names += 1
        if self._names > MOST_NAMES:
            raise too_many_names()


def too_many_names() -> NotTaken:
    """Return what is said where patterns lead past more names than are looked at."""
    return NotTaken(
        f"the patterns lead past more than {MOST_NAMES:,} names; "
        "say more precisely where the files are"
    )


def _require_plain(found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise NotTaken(_BY_MODE.get(stat.S_IFMT(found.st_mode), NO_FILE))
