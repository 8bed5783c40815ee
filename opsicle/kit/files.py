"""Files that must be whole or absent, whatever happens in between."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where only the command line runs
    _IS_POSIX = False
else:
    _IS_POSIX = True
"""Elsewhere nothing can be renamed or removed that is open, and a folder cannot be opened."""

_NEW = os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_AT_FDCWD, _STATX_BTIME, _STATX_BYTES, _BTIME_OFFSET = -100, 0x800, 256, 80
"""Of `struct statx`, see statx(2)."""


def replace(path: Path, content: bytes, *, mode: int = 0o600, like: Path | None = None) -> None:
    """Put `content` in the place of a file, durably.

    After a crash there is the old file or the new one, never a mix.

    The old file's owner is kept, and so is its mode if that allows less. A new one is its folder's
    owner's, or that of `like`: so what root does by hand leaves nothing that the server's own user
    cannot read. Raises OSError; the old file is then untouched.
    """
    model = _stat(path) or (_stat(like) if like else None)
    mode = (mode & model.st_mode or mode) if model else mode
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)

    try:
        fd = os.open(draft, os.O_WRONLY | _NEW, mode)
        try:
            give_away(fd, model or path.parent.stat())
            write_all(fd, content)
            os.fsync(fd)
        finally:
            os.close(fd)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise

    sync_folder(path.parent)


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to that takes the place of `path` once it is whole and durable.

    It is readable for its owner alone. If what is inside raises, nothing is left. Raises OSError,
    also where somebody else is writing it.
    """
    draft = path.with_name(f".{path.name}.new")
    _remove_left(draft)
    fd = os.open(draft, os.O_WRONLY | _NEW, 0o600)
    with os.fdopen(fd, "wb") as file:
        try:
            _lock(fd)
            yield file
            file.flush()
            os.fsync(fd)
            if not _is(draft, fd):  # where the file system has no locks
                raise _written_by_another(draft)
            if not _IS_POSIX:
                file.close()
            draft.replace(path)
        except BaseException:
            if not _IS_POSIX:
                file.close()
                draft.unlink(missing_ok=True)
            elif _is(draft, fd):
                draft.unlink()
            raise
    sync_folder(path.parent)


def _remove_left(draft: Path) -> None:
    """Remove what somebody who was killed has left. Raises OSError while its writer lives."""
    if not _IS_POSIX:
        draft.unlink(missing_ok=True)
        return
    with suppress(FileNotFoundError):
        fd = os.open(draft, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _lock(fd)
            draft.unlink()
        except BlockingIOError as error:
            raise _written_by_another(draft) from error
        finally:
            os.close(fd)


def _lock(fd: int) -> None:
    """Keep others off a file, if its file system can. Raises BlockingIOError if they keep us."""
    if not _IS_POSIX:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        pass


def _is(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def _written_by_another(draft: Path) -> OSError:
    return OSError(errno.EBUSY, "another program is writing it just now", str(draft))


@contextmanager
def as_owner_of(folder: Path) -> Iterator[None]:
    """Act as a folder's owner meanwhile, if root does.

    In a folder of somebody else's, a link that is put in the way leads root to whatever there is;
    its owner it leads to nothing that was not theirs before. Raises OSError.
    """
    owner = folder.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return

    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def give_away(fd: int, model: os.stat_result) -> None:
    """Give a file that root made to the owner of something that was there before.

    Raises OSError.
    """
    if _IS_POSIX and os.geteuid() == 0:
        os.fchown(fd, model.st_uid, model.st_gid)


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def write_all(fd: int, content: bytes) -> None:
    """Write every byte. Raises OSError when only a part found room."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable: new, replaced and removed files. Raises OSError."""
    if not _IS_POSIX:
        return
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_file_system(folder: Path) -> None:
    """Make everything in the file system of a folder durable. Raises OSError.

    It is one call instead of one for each of a hundred thousand files. Python does not have it.
    """
    import ctypes

    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(folder))
    finally:
        os.close(fd)


def born_at_ns(path: Path) -> int:
    """Return when a file was made, in nanoseconds since 1970.

    Return 0 where the system or the file system does not say.

    No copy has it, whatever tool has made it, also where it was given the number of a file that is
    gone. Python's own `stat` does not have it on Linux. Raises OSError.
    """
    import ctypes

    statx = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)
    if statx is None:  # a C library from before 2018
        return 0
    found = ctypes.create_string_buffer(_STATX_BYTES)
    if statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, found) != 0:
        code = ctypes.get_errno()
        if code == errno.ENOSYS:
            return 0
        raise OSError(code, os.strerror(code), str(path))
    (mask,) = struct.unpack_from("=I", found)
    seconds, nanoseconds = struct.unpack_from("=qI", found, _BTIME_OFFSET)
    return int(seconds * 10**9 + nanoseconds) if mask & _STATX_BTIME else 0
