"""Making a backup of a data folder, whether its server runs or not.

The order is what makes it one whole, with no lock that the server would wait for:

1. The keys, which are looked at once more behind the state: a change of key in between is noticed.
2. The state, at one moment.
3. The logs, which then hold all that the state says of them, and perhaps more.
4. The files that the state names. One is named only once it is durable, so it is there; unless the
   server has let it go since, which the end of the backup says.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from opsicle.domain.errors import Conflict, Unavailable
from opsicle.kit import files
from opsicle.kit.clock import Clock
from opsicle.security.age_files import EncryptingWriter
from opsicle.security.age_keys import LockingKey
from opsicle.security.authority import Authority
from opsicle.server.backups.archive import (
    END,
    HEAD,
    KEYS,
    LOGS,
    STATE,
    ArchiveWriter,
    BackupEnd,
    BackupHead,
    artifact_name,
)
from opsicle.server.data_folder import LAST_BACKUP, explained, require_server_folder
from opsicle.server.keys.key_files import check_private, key_files
from opsicle.server.keys.key_fits import MASTER, SEALING, find_misfits
from opsicle.server.store import contents, migrations
from opsicle.server.store.contents import ContentRow
from opsicle.server.store.copies import copy_database
from opsicle.server.store.database import Connection
from opsicle.server.store.inspection import inspect, open_untouched
from opsicle.server.store.integrity import check_integrity
from opsicle.version import __version__

WORKPLACE = ".backing-up"
_SPARE_BYTES = 256 * 1024 * 1024
"""What a backup leaves free on the server's disk."""

OnProgress = Callable[[str], None]


class BackupParts(NamedTuple):
    """What a backup has besides state and keys."""

    has_logs: bool = True
    has_artifacts: bool = True


EVERYTHING = BackupParts()


class BackupReport(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was made. `missing` is what the server itself had lost, by name."""

    created_at: datetime
    bytes: int
    epoch: int
    artifacts: int
    missing: tuple[str, ...]


_MAY_LACK = (MASTER, SEALING)
"""The master key may be kept elsewhere, and the one that seals authenticator apps be made anew."""


class Backup:
    """One backup of a data folder."""

    def __init__(self, folder: Path, clock: Clock, on_progress: OnProgress) -> None:
        """Raise InvalidInput unless the folder is a server's, Conflict if it has lost its CA."""
        require_server_folder(folder)
        if not (folder / "authority.pem").exists():
            raise Conflict(
                f"{folder} has no authority.pem, and without its CA a backup cannot be restored",
                hint="Put back the one of an older backup.",
            )
        self._folder = folder
        self._clock = clock
        self._on_progress = on_progress
        self._missing: list[str] = []

    def write(self, target: IO[bytes], key: LockingKey, parts: BackupParts) -> BackupReport:
        """Write it, encrypted.

        Raises Conflict for a database that is damaged and while keys change, NotAllowed for keys
        that are not private, Unavailable where the disk has no room for a copy of the databases,
        and OSError from `target`.
        """
        with acting_as_owner(self._folder):
            return self._write(target, key, parts)

    def _write(self, target: IO[bytes], key: LockingKey, parts: BackupParts) -> BackupReport:
        began_at, keys = self._clock.now(), self._read_keys()
        encrypted = EncryptingWriter(target, key)
        archive = ArchiveWriter(encrypted)

        with workplace(self._folder, WORKPLACE, "backup") as copies:
            check_room(self._folder)
            state = self._copy(STATE, copies)
            if self._read_keys() != keys:
                raise Conflict("a key was replaced just now", hint="Make the backup again.")

            with closing(open_untouched(state)) as db:
                require_fitting(db, keys, _MAY_LACK)
                archive.add_json(HEAD, head := _head(db, state, keys, parts, began_at))
                for name, content in sorted(keys.items()):
                    archive.add_bytes(name, content)
                add_file(archive, STATE, state)
                if parts.has_logs:
                    self._add_logs(archive, copies)
                artifacts = 0
                if parts.has_artifacts:
                    artifacts, missing = add_artifacts(archive, self._folder, db, self._on_progress)
                    self._missing += missing

        archive.add_json(END, BackupEnd(missing=tuple(self._missing)))
        archive.close()
        encrypted.finish()
        return BackupReport(
            created_at=head.created_at,
            bytes=encrypted.written,
            epoch=head.epoch,
            artifacts=artifacts,
            missing=tuple(self._missing),
        )

    def note_done(self, report: BackupReport) -> None:
        """Note in the data folder that a backup is whole, for figures and `opsicle doctor`."""
        with files.as_owner_of(self._folder):
            files.replace(self._folder / LAST_BACKUP, msgspec.json.encode(report))

    def _read_keys(self) -> dict[str, bytes]:
        """Return the keys that a restored server needs. A master key kept elsewhere is not one."""
        with explained(self._folder):
            paths = [path for path in key_files(self._folder) if path.name in KEYS]
            check_private(paths)
            return {path.name: path.read_bytes() for path in paths}

    def _copy(self, name: str, copies: Path) -> Path:
        """Copy a database, and read the copy through: damage is no backup."""
        copy = copies / name
        copy_database(
            self._folder / name, copy, lambda share: self._on_progress(f"{name} {share:.0%}")
        )
        self._on_progress(f"reading {name} through")
        check_integrity(copy)
        return copy

    def _add_logs(self, archive: ArchiveWriter, copies: Path) -> None:
        """Add the logs, which are never a reason to have no backup, as they are none to stop."""
        try:
            logs = self._copy(LOGS, copies)
        except Conflict:
            self._missing.append(LOGS)
            return
        add_file(archive, LOGS, logs)
        logs.unlink()


def require_fitting(db: Connection, keys: Mapping[str, bytes], may_lack: Collection[str]) -> None:
    """Raise Conflict for keys with which what is copied of a state could be used nowhere."""
    for name, is_lost in find_misfits(db, keys):
        if not is_lost:
            unused = " Or remove it, if the server is told of another (--master-key-file)."
            raise Conflict(
                f"{name} is not the key with which this server's database was written",
                hint="Put the one that belongs to it in its place, from an older backup."
                + unused * (name == MASTER),
            )
        if name not in may_lack:
            raise Conflict(
                f"the data folder has lost {name}", hint="Put it back from an older backup."
            )


@contextmanager
def acting_as_owner(folder: Path) -> Iterator[None]:
    """Act as the owner of a data folder, if root does, once all of the program is read.

    It lies in root's cache, which is closed to that owner. Raises OSError.
    """
    migrations.keep_in_memory()
    with files.as_owner_of(folder):
        yield


def add_artifacts(
    archive: ArchiveWriter, folder: Path, db: Connection, on_progress: OnProgress
) -> tuple[int, list[str]]:
    """Add the files that a state names; return how many these are, and the names of lost ones."""
    count, missing = 0, []
    for row in contents.list_all(db):
        name = artifact_name(row.org_id, row.sha256)
        try:
            with (folder / name).open("rb") as file:
                if is_whole := _is(file, row):
                    archive.add(name, row.size, file)
        except FileNotFoundError:
            is_whole = False
        if is_whole:
            count += 1
            on_progress(f"{count} files")
        else:
            missing.append(name)
    return count, missing


@contextmanager
def workplace(folder: Path, name: str, purpose: str) -> Iterator[Path]:
    """Have a folder for copies of the databases to oneself, emptied of what a killed run left.

    It lies in the data folder, where the databases themselves are: no copy that is not encrypted
    comes to where the backup goes, which may be a disk of somebody else's.
    """
    path = folder / name
    with explained(folder):
        path.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _take(lock, purpose)
        try:
            for left in path.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)


def _take(lock: int, purpose: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Conflict(
            f"another {purpose} of this server is under way", hint="Wait for it."
        ) from error


def check_room(folder: Path) -> None:
    """Raise Unavailable where a disk has no room for copies of a data folder's databases."""
    needed = sum(path.stat().st_size for name in (STATE, LOGS) for path in folder.glob(f"{name}*"))
    if shutil.disk_usage(folder).free < needed + _SPARE_BYTES:
        raise Unavailable(
            f"the disk under {folder} has no room for a copy of the databases",
            hint=f"Make {(needed + _SPARE_BYTES) // 1024**2} MiB free, for so long.",
        )


def _head(
    db: Connection, state: Path, keys: dict[str, bytes], parts: BackupParts, began_at: datetime
) -> BackupHead:
    found, authority = inspect(db, state), keys["authority.pem"].decode("ascii")
    newest = migrations.newest_schema()
    if found.schema != newest:
        raise Conflict(
            f"{state.name} has schema {found.schema}, and this program {newest}",
            hint="Back it up with the program that runs on it; a newer one can restore that.",
        )
    return BackupHead(
        version=__version__,
        created_at=began_at,
        schema=found.schema,
        epoch=found.epoch.number if found.epoch else 0,
        ca_fingerprint=Authority.load(authority, authority).fingerprint,
        has_logs=parts.has_logs,
        has_artifacts=parts.has_artifacts,
    )


def _is(file: BufferedReader, row: ContentRow) -> bool:
    """Return whether a file is what its row says; it is then read from its beginning."""
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    is_whole = digest == row.sha256 and file.tell() == row.size
    file.seek(0)
    return is_whole


def add_file(archive: ArchiveWriter, name: str, path: Path) -> None:
    """Add a file as it is."""
    with path.open("rb") as file:
        archive.add(name, path.stat().st_size, file)
