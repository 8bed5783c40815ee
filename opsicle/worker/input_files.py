"""The files that a job is given: fetched and compared before it starts, then put where it works.

While they come they lie in `JOB.files`, beside the workspace, which nothing of a job can reach. The
whole folder becomes `.files` in the workspace at once, when nothing of the job has run yet: so no
link that a job has made is ever followed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path, PurePath

from opsicle.domain.files import FOLDER, InputFile, path_in_workspace, unusable_file_name
from opsicle.domain.names import ID, environment_name
from opsicle.wire.jobs import Work
from opsicle.worker.os_account import OsAccount
from opsicle.worker.workspace import remove_folder

ReadPart = Callable[[InputFile, int], bytes]
"""Returns bytes of a file from an offset on; none at its end."""

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class WrongFile(Exception):
    """A file is not the one that is meant; the message says so. Never leaves the worker."""


def staging_folder(workspace_root: Path, job_id: str) -> Path:
    """Return where a job's files lie until it starts."""
    return workspace_root.absolute() / f"{job_id}.files"


def receive(files: Sequence[InputFile], folder: Path, read: ReadPart) -> None:
    """Write files into a new folder, in the order in which they stand in the workspace.

    Raises WrongFile for one that is not as it is said to be, OSError, and what `read` raises; then
    the folder holds what has come so far.
    """
    if problem := remove_folder(folder):  # an earlier run of the worker left it
        raise OSError(problem)
    folder.mkdir(mode=0o700)
    for file in files:
        if problem := unusable_file_name(file.name):
            raise WrongFile(f"the file of {file.variable} cannot be written: {problem}")
        if not ID.fullmatch(file.variable) or file.position < 0:
            raise WrongFile("a file belongs to no variable that there can be")
        path = folder.joinpath(*path_in_workspace(file)[1:])
        for parent in (path.parent.parent, path.parent):
            parent.mkdir(mode=0o700, exist_ok=True)
        with os.fdopen(os.open(path, _NEW_FILE, 0o600), "wb") as target:
            _receive_one(file, read, target.write)


def _receive_one(file: InputFile, read: ReadPart, write: Callable[[bytes], object]) -> None:
    digest, size = hashlib.sha256(), 0
    while piece := read(file, size):
        size += len(piece)
        if size > file.size:
            break
        digest.update(piece)
        write(piece)
    if size != file.size or digest.hexdigest() != file.sha256:
        raise WrongFile(f"the file {file.name} of {file.variable} is not the one that was ordered")


def place(work: Work, workspace: Path, account: OsAccount | None) -> None:
    """Put the files of a job into its new workspace, as its user's own. Raises OSError.

    Where a container may run as somebody else's number, that may read them: outside of containers
    nobody but the worker gets there.
    """
    folder = staging_folder(workspace.parent, workspace.name)
    is_shared = account is None and any(phase.image for phase in work.phases)
    for path in (*sorted(folder.rglob("*"), reverse=True), folder):
        if is_shared:
            path.chmod(0o755 if stat.S_ISDIR(path.lstat().st_mode) else 0o644)
        if account:
            account.own(path)
    folder.rename(workspace / FOLDER)


def file_environment(files: Sequence[InputFile], workspace: PurePath) -> dict[str, str]:
    """Return the variables that say where a job's files lie: a path a line."""
    environment: dict[str, str] = {}
    for file in files:
        name = environment_name(file.variable)
        path = str(workspace.joinpath(*path_in_workspace(file)))
        environment[name] = f"{environment[name]}\n{path}" if name in environment else path
    return environment
