"""Removes what processes that were killed have left in memory.

A worker removes its private folder at a clean end, and libfaketime what programs with a wrong clock
share; many tests let them have none.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from opsicle.worker.private_files import mark

MEMORY_DISK = Path("/dev/shm")
SHARED_CLOCKS = re.compile(r"(?:sem\.)?faketime_(?:shm|sem)_([0-9]+)")
"""Files of libfaketime, named by the process that has made them."""

_workspaces: set[Path] = set()


def note(workspaces: Path) -> None:
    """Note where a worker has its workspaces, whoever it runs as."""
    _workspaces.add(workspaces)


def remove_all() -> None:
    """Remove what workers that were noted have left, none of which may run any more, and clocks."""
    for workspaces in _workspaces:
        for folder in MEMORY_DISK.glob(f"opsicle-*-{mark(workspaces)}"):
            shutil.rmtree(folder, ignore_errors=True)
    _workspaces.clear()

    for path in MEMORY_DISK.iterdir():
        found = SHARED_CLOCKS.fullmatch(path.name)
        if found and not Path("/proc", found[1]).exists():
            path.unlink(missing_ok=True)
