"""Removes the private folders in memory of workers that were killed.

A worker removes its own at a clean end; many tests let it have none.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from opsicle.worker.private_files import mark

MEMORY_DISK = Path("/dev/shm")

_workspaces: set[Path] = set()


def note(workspaces: Path) -> None:
    """Note where a worker has its workspaces, whoever it runs as."""
    _workspaces.add(workspaces)


def remove_all() -> None:
    """Remove what those that were noted have left; none of them may run any more."""
    for workspaces in _workspaces:
        for folder in MEMORY_DISK.glob(f"opsicle-*-{mark(workspaces)}"):
            shutil.rmtree(folder, ignore_errors=True)
    _workspaces.clear()
