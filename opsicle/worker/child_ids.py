"""The ids of this process's children, as the kernel tells them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

_READ_BYTES = 64 * 1024


def children_of_main_thread() -> set[int]:
    """Return the ids of its children, dead ones too.

    Linux gives orphans to a sub-reaper's first thread that is alive.
    """
    pid = os.getpid()
    file = _children_file(pid)
    if file is None:
        return set(_children_by_search(pid))
    content = b""
    while more := os.pread(file, _READ_BYTES, len(content)):
        content += more
    return {int(child) for child in content.split()}


@cache
def _children_file(pid: int) -> int | None:
    """Return the file in which the kernel lists them, kept open since every job asks.

    Return None where the kernel was built without CONFIG_PROC_CHILDREN.
    """
    try:
        return os.open(f"/proc/{pid}/task/{pid}/children", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None


def _children_by_search(parent: int) -> Iterator[int]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                fields = Path(f"/proc/{entry.name}/stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[1]) == parent:
                    yield int(entry.name)
