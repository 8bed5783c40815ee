"""Files of jobs that are over, which an earlier run of the worker had no time to remove."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from opsicle.worker.identity import WorkerDataFolder
from opsicle.worker.private_files import private_folder, remove_stale_files
from opsicle.worker.workspace import remove_folder

log = logging.getLogger(__name__)

_NEVER_TAKEN_AGAIN = frozenset({"files", "gone", "slurm"})
"""What no job takes that has begun: its staged files, the workspace that it has left, and what a
job of Slurm needs to begin, which so begins no more."""


def remove(folder: WorkerDataFolder, open_jobs: set[str]) -> None:
    """Remove the spools, artifacts and workspaces of all but the open jobs.

    Raises OSError if the folders cannot be read.
    """
    for path in folder.spool.iterdir():
        if path.name.partition(".")[0] not in open_jobs:
            path.unlink(missing_ok=True)

    for path in folder.artifacts.iterdir() if folder.artifacts.is_dir() else ():
        if path.name not in open_jobs:
            shutil.rmtree(path, ignore_errors=True)

    remove_stale_files(private_folder(folder.workspaces, lets_through=folder.lets_through))

    for path in folder.workspaces.iterdir():
        job_id, _, suffix = path.name.partition(".")
        if job_id not in open_jobs or suffix in _NEVER_TAKEN_AGAIN:
            _remove_workspace(path)


def remove_job(folder: WorkerDataFolder, job_id: str) -> None:
    """Remove what is left of one job that does not go on."""
    for path in folder.spool.glob(f"{job_id}.*"):
        path.unlink(missing_ok=True)
    for path in folder.workspaces.glob(f"{job_id}.*"):
        remove_folder(path)
    shutil.rmtree(folder.artifacts / job_id, ignore_errors=True)
    _remove_workspace(folder.workspaces / job_id)


def _remove_workspace(path: Path) -> None:
    if problem := remove_folder(path):
        log.warning(
            "a workspace of a past job cannot be removed",
            extra={"job_id": path.name, "reason": problem},
        )
