"""What a server needs of its machine: room, a file system to be trusted, a clock, open files."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterator
from pathlib import Path

from opsicle.server.doctor.findings import Diagnosis, ok, problem, warning

_GIB = 1024**3
_LEAST_FREE_BYTES, _LEAST_FREE_SHARE = 1 * _GIB, 0.05
_LEAST_FREE_INODES = 0.05
_WANTED_DESCRIPTORS = 4096

_UNSAFE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "ceph"})
"""File systems whose locks or syncs SQLite cannot rely on (https://sqlite.org/howtocorrupt.html)"""

_FLEETING = frozenset({"tmpfs", "ramfs"})

_TIME_ERROR = 5
_TIMEX_BYTES = 512
"""More than `struct timex` has anywhere; with `modes` 0 it only asks, see adjtimex(2)."""


def check_machine(folder: Path, database_bytes: int, pid: int) -> Iterator[Diagnosis]:
    """Look at the machine of a data folder.

    `pid` is that of the server, 0 if it does not run. Raises OSError.
    """
    yield _file_system(folder)
    yield from _room(folder, database_bytes)
    yield _time_service()
    if pid:
        yield from _open_files(pid)


def _file_system(folder: Path) -> Diagnosis:
    kind = file_system_of(folder, Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))
    if kind in _UNSAFE:
        return problem(
            "file system",
            f"{folder} lies on {kind}, on which a database can be damaged",
            "Move it to a disk of this machine.",
        )
    if kind in _FLEETING:
        return problem(
            "file system",
            f"{folder} lies on {kind}, which is empty after a restart of the machine",
            "Move it to a disk.",
        )
    return ok("file system", kind)


def file_system_of(folder: Path, mounts: str) -> str:
    """Return the kind of file system that a folder lies on, by the text of `mountinfo`."""
    best, kind = "", "unknown"
    path = f"{folder.resolve()}/"
    for line in mounts.splitlines():
        before, _, behind = line.partition(" - ")
        point = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), before.split()[4])
        if path.startswith(f"{point.rstrip('/')}/") and len(point) >= len(best):
            best, kind = point, behind.split()[0]
    return kind


def _room(folder: Path, database_bytes: int) -> Iterator[Diagnosis]:
    found = os.statvfs(folder)
    free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    message = f"{free / _GIB:.1f} of {total / _GIB:.1f} GiB are free"
    if free < max(_LEAST_FREE_BYTES, _LEAST_FREE_SHARE * total):
        yield problem(
            "disk", message, "Make room, or keep less: `--log-retention-days` in docs/server.md."
        )
    elif free < database_bytes:
        yield warning(
            "disk",
            f"{message}, less than the databases take",
            "Make room: a backup beside them, an upgrade and --compact need as much again.",
        )
    else:
        yield ok("disk", message)

    if found.f_files and found.f_favail < _LEAST_FREE_INODES * found.f_files:
        yield problem(
            "disk", f"{found.f_favail} files can still be made", "Remove small files elsewhere."
        )


def _time_service() -> Diagnosis:
    asked = ctypes.create_string_buffer(_TIMEX_BYTES)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(asked)
    if state == _TIME_ERROR:
        return warning(
            "clock",
            "no time service keeps this machine's clock, as far as its kernel knows",
            "Run chrony or systemd-timesyncd: workers whose clocks differ get no work.",
        )
    return ok("clock", "a time service keeps it") if state >= 0 else ok("clock", "not known")


def _open_files(pid: int) -> Iterator[Diagnosis]:
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    match = re.search(r"^Max open files +(\d+|unlimited)", limits, re.MULTILINE)
    if match and match[1] != "unlimited" and int(match[1]) < _WANTED_DESCRIPTORS:
        yield warning(
            "open files",
            f"the server may open {match[1]} files, so it takes half as many connections",
            f"Allow more: LimitNOFILE=16384 in its unit (wanted: {_WANTED_DESCRIPTORS}).",
        )
