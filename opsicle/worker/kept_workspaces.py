"""The workspaces of jobs that did not go well, kept so that another one can go on there.

`kept/JOB/` is the folder as the job has left it, `kept/JOB.json` says whose it was and until when
it is kept. Both come and go by a rename within one file system, so that a folder is in one place at
a time, whatever kills the worker in between: one without its record, or the other way round, is
removed at the next start. Nothing secret is among them: the files with secrets lie elsewhere, and
are gone by then (see private_files.py).
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from opsicle.worker.os_account import OsAccount
from opsicle.worker.output import now_ms
from opsicle.worker.workspace import has_mount, remove_folder

log = logging.getLogger(__name__)

DEFAULT_KEPT_MIB = 10_240

MAX_ENTRIES = 200_000
"""Files and folders in a kept workspace: to count more would hold up the end of its job."""


class KeptWorkspaceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Whose a kept workspace was: only what has the same org and template goes on in it."""

    job_id: str
    org_id: str
    template: str
    kept_until_ms: int
    size: int


class CannotTakeOver(Exception):
    """A workspace is not there for a job to go on in; the message says why."""


class KeptWorkspaces:
    """The kept workspaces of one worker. Safe to use from any thread.

    `max_bytes`: where all together are larger, what has the least time left goes first; 0: none is
    kept.
    """

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._records: dict[str, KeptWorkspaceRecord] = {}

    def restore(self) -> None:
        """Find what an earlier run of the worker has kept, and remove what is not whole."""
        if not self._root.is_dir():
            return
        for path in sorted(self._root.glob("*.json")):
            with suppress(OSError, msgspec.MsgspecError):
                record = msgspec.json.decode(path.read_bytes(), type=KeptWorkspaceRecord)
                if path.stem == record.job_id and (self._root / record.job_id).is_dir():
                    self._records[record.job_id] = record

        for path in list(self._root.iterdir()):
            if path.name.removesuffix(".json") not in self._records:
                _remove(path)
        self.sweep()

    def keep(self, workspace: Path, whose: KeptWorkspaceRecord) -> bool:
        """Keep a job's workspace. Return False if it is left where it is, and not kept."""
        size = _size(workspace)
        if size is None or size > self._max_bytes:
            return False
        record = msgspec.structs.replace(whose, size=size)

        with self._lock:
            try:
                self._root.mkdir(mode=0o700, exist_ok=True)
                self._write(record)
                workspace.rename(self._root / record.job_id)
            except OSError as problem:
                facts = {"job_id": record.job_id, "reason": problem.strerror}
                log.warning("a workspace cannot be kept", extra=facts)
                self._record_path(record.job_id).unlink(missing_ok=True)
                return False
            self._records[record.job_id] = record
        self.sweep()
        return record.job_id in self._records

    def take_over(
        self, job_id: str, org_id: str, template: str, account: OsAccount | None, to: Path
    ) -> None:
        """Move the workspace that a job has left to where another one goes on in it.

        Raises CannotTakeOver if it is not there, not this org's and template's, or not as it was.
        """
        with self._lock:
            record = self._records.get(job_id)
            if record is None:
                raise CannotTakeOver(f"the workspace of job {job_id} is not kept here any more")
            if (record.org_id, record.template) != (org_id, template):
                raise CannotTakeOver(f"the workspace of job {job_id} is another's")
            if record.kept_until_ms <= now_ms():
                raise CannotTakeOver(f"the time is over for which job {job_id}'s workspace is kept")

            folder = self._root / job_id
            owner = account.uid if account else os.geteuid()
            try:
                found = folder.lstat()
                if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
                    raise CannotTakeOver(f"the workspace of job {job_id} is not as it was left")
                folder.rename(to)
            except OSError as problem:
                raise CannotTakeOver(
                    f"the workspace of job {job_id} cannot be taken over: {problem.strerror}"
                ) from problem
            del self._records[job_id]
            self._record_path(job_id).unlink(missing_ok=True)

    @property
    def has_expired(self) -> bool:
        """Whether there is something for `sweep` to remove."""
        with self._lock:
            return bool(self._to_remove())

    def sweep_beside(self) -> None:
        """Sweep in a thread of its own, if there is anything to remove."""
        if self.has_expired:
            threading.Thread(target=self.sweep, name="kept workspaces", daemon=True).start()

    def sweep(self) -> None:
        """Remove what is kept for long enough, and what there is no room for."""
        with self._lock:
            gone = self._to_remove()
            for record in gone:
                del self._records[record.job_id]
                self._record_path(record.job_id).unlink(missing_ok=True)
        for record in gone:
            _remove(self._root / record.job_id)

    def _to_remove(self) -> list[KeptWorkspaceRecord]:
        now, room = now_ms(), self._max_bytes
        gone = []
        for record in sorted(self._records.values(), key=_newest_first):
            room -= record.size
            if room < 0 or record.kept_until_ms <= now:
                gone.append(record)
        return gone

    def _write(self, record: KeptWorkspaceRecord) -> None:
        path = self._record_path(record.job_id)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(record))

    def _record_path(self, job_id: str) -> Path:
        return self._root / f"{job_id}.json"


def _newest_first(record: KeptWorkspaceRecord) -> tuple[int, str]:
    return -record.kept_until_ms, record.job_id


def _size(folder: Path) -> int | None:
    """Return what a workspace takes on the disk, in bytes; None if it cannot be kept at all."""
    try:
        is_folder = stat.S_ISDIR(folder.lstat().st_mode)
    except OSError:
        return None
    if not is_folder or has_mount(folder):
        return None

    size = entries = 0
    for parent, folders, files in os.walk(folder):
        entries += len(folders) + len(files)
        if entries > MAX_ENTRIES:
            return None
        for name in files:
            with suppress(OSError):
                size += Path(parent, name).lstat().st_blocks * 512
    return size + entries * 512


def _remove(path: Path) -> None:
    if problem := remove_folder(path):
        facts = {"job_id": path.name, "reason": problem}
        log.warning("a kept workspace cannot be removed", extra=facts)
