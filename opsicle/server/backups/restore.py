"""Restoring a backup into an empty data folder.

It is unpacked into a folder inside that one, checked there as a start would and more, and given its
place in the end: where anything is wrong, nothing is left. What is restored is in the next epoch,
with its queue held.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from opsicle.domain.audit_chain import chain_of
from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.kit import files
from opsicle.kit.clock import Clock, to_text
from opsicle.security import audit_record
from opsicle.security.age_keys import OpeningKey
from opsicle.security.audit_key import AuditPublicKey
from opsicle.server.backups.archive import LOGS, STATE, BackupHead, artifact_name
from opsicle.server.backups.backup import OnProgress, acting_as_owner
from opsicle.server.backups.unpacking import Unpacked, unpack
from opsicle.server.data_folder import RESTORING, DataFolder, explained
from opsicle.server.opening import Opening, OpenState, begin_epoch, open_keys, open_state
from opsicle.server.store import audit, audit_checkpoints, contents, orgs
from opsicle.server.store.database import Connection
from opsicle.server.store.integrity import check_integrity


class RestoreOptions(NamedTuple):
    """What a restore is told beside the backup.

    `accepts_broken_record`: the audit record may be one that somebody had altered before the backup
    was made.
    """

    master_key_file: Path | None = None
    accepts_broken_record: bool = False


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """A backup that was restored.

    `missing` is what its server had lost already, by name; `faults` what is wrong with the record.
    """

    created_at: datetime
    made_by: str
    ca_fingerprint: str
    epoch: int
    orgs: int
    audit_entries: int
    artifacts: int
    has_logs: bool
    has_artifacts: bool
    missing: tuple[str, ...]
    faults: tuple[str, ...]


class Restore:
    """One backup on its way into a data folder."""

    def __init__(
        self, data_dir: Path, clock: Clock, on_progress: OnProgress, options: RestoreOptions
    ) -> None:
        self._data_dir = data_dir
        self._draft = data_dir / RESTORING
        self._clock = clock
        self._on_progress = on_progress
        self._options = options

    def run(self, source: IO[bytes], key: OpeningKey) -> RestoreReport:
        """Restore a backup.

        Raises InvalidInput for what is no backup, or was cut short or altered, and for a folder
        that is not empty; Conflict for what is damaged, does not belong together or is newer than
        this program; NotAllowed and Unavailable where the folder cannot be written. Nothing is left
        behind then.
        """
        with explained(self._data_dir), _claimed(self._data_dir, self._draft):
            with acting_as_owner(self._data_dir):
                unpacked = unpack(source, key, self._draft, self._on_progress, BackupHead)
            self._on_progress("reading the databases through")
            check_integrity(self._draft / STATE, is_thorough=True)
            if (self._draft / LOGS).exists():
                check_integrity(self._draft / LOGS, is_thorough=True)
            report = self._open(unpacked)
            self._on_progress("writing to disk")
            self._put_in_place()
        return report

    def _open(self, unpacked: Unpacked[BackupHead]) -> RestoreReport:
        """Open what was unpacked as a start does, look at the rest of it, and begin its epoch."""
        at = to_text(unpacked.head.created_at)
        how = Opening(accept_restored=True, restored_from=f"restored from the backup of {at}")
        with (
            closing(DataFolder.open(self._draft)) as folder,
            open_state(folder, self._clock, _fail, how) as opened,
        ):
            state = opened.database
            keys = open_keys(folder, state, self._clock, self._options.master_key_file)
            if keys.authority.fingerprint != unpacked.head.ca_fingerprint:
                raise Conflict("the backup holds another server's CA than it says")

            if unpacked.head.has_artifacts:
                state.read(lambda db: self._check_artifacts(db, unpacked))
            self._on_progress("verifying the record")
            report = state.read(lambda db: self._check_record(db, keys.audit.public, unpacked))
            return msgspec.structs.replace(report, epoch=self._begin_epoch(opened))

    def _begin_epoch(self, opened: OpenState) -> int:
        return begin_epoch(opened, self._clock, accept_restored=True).number

    def _check_artifacts(self, db: Connection, unpacked: Unpacked[BackupHead]) -> None:
        """Raise Conflict unless each file that the state names is there, or is known to be lost."""
        lost = frozenset(unpacked.end.missing)
        for row in contents.list_all(db):
            name = artifact_name(row.org_id, row.sha256)
            if name not in lost and not (self._draft / name).exists():
                raise Conflict(
                    f"{name} is missing from the backup", hint="Take the backup before this one."
                )

    def _check_record(
        self, db: Connection, key: AuditPublicKey, unpacked: Unpacked[BackupHead]
    ) -> RestoreReport:
        """Verify the record of each org.

        Raises Conflict for what is wrong with it, unless that is accepted.
        """
        faults: list[str] = []
        entries = 0
        for chain in audit_checkpoints.list_chains(db):
            org = orgs.find(db, chain.org_id) if chain.org_id else None
            signed = audit_checkpoints.list_all(db, chain.org_id)
            rows = audit.read_chain(db, chain.org_id, 0)
            verdict = audit_record.verify(chain_of(chain.org_id), key, signed, rows)
            entries += verdict.entries
            if verdict.fault:
                name = f"org {org.code}" if org else "the server itself"
                faults.append(f"the record of {name}: {verdict.fault.message}")

        if faults and not self._options.accepts_broken_record:
            raise Conflict(
                f"the backup's record is not as it was written: {'; '.join(faults)}",
                hint="It was so on the server when the backup was made: docs/audit.md. Take the "
                "backup before, or take this one with --accept-broken-record.",
            )
        return RestoreReport(
            created_at=unpacked.head.created_at,
            made_by=unpacked.head.version,
            ca_fingerprint=unpacked.head.ca_fingerprint,
            epoch=0,
            orgs=len(orgs.list_ids(db)),
            audit_entries=entries,
            artifacts=unpacked.artifacts,
            has_logs=(self._draft / LOGS).exists(),
            has_artifacts=unpacked.head.has_artifacts,
            missing=unpacked.end.missing,
            faults=tuple(faults),
        )

    def _put_in_place(self) -> None:
        """Give everything its place, durably.

        Until the draft is empty no server takes the folder (`DataFolder.open`).
        """
        (self._draft / "lock").unlink()
        files.sync_file_system(self._draft)
        for path in list(self._draft.iterdir()):
            path.rename(self._data_dir / path.name)
        self._draft.rmdir()
        files.sync_folder(self._data_dir)
        files.sync_folder(self._data_dir.absolute().parent)


@contextmanager
def _claimed(data_dir: Path, draft: Path) -> Iterator[None]:
    """Have an empty folder, made if absent, to oneself, and in it an empty draft.

    What an earlier restore that was killed has left is removed first. Raises InvalidInput if the
    folder is not empty, Conflict while another restore has it.
    """
    is_new = not data_dir.exists()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(data_dir):
        if any(path.name != RESTORING for path in data_dir.iterdir()):
            raise InvalidInput(
                f"{data_dir} is not empty"
                + (", but of a restore that was cut short" if draft.exists() else ""),
                hint="Restore into an empty folder.",
            )
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if os.geteuid() == 0:
            owner = data_dir.stat()
            os.chown(draft, owner.st_uid, owner.st_gid, follow_symlinks=False)

        try:
            yield
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            if is_new:
                with suppress(OSError):
                    data_dir.rmdir()
            raise


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    lock = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Conflict(f"another restore is using {data_dir}", hint="Wait for it.") from error
    finally:
        os.close(lock)


def _fail(error: BaseException) -> None:
    raise error
