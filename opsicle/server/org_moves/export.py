"""Exporting one org of a data folder, whether its server runs or not.

The state is copied at one moment, then the logs, then the files, as a backup does it. The org's
rows go into databases of their own; its secrets are wrapped under a key that is in the export
alone. The export is encrypted like a backup; nothing in the data folder changes but the note that
there is one.
"""

from __future__ import annotations

from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from opsicle.domain.errors import Conflict, NotFound
from opsicle.kit import files
from opsicle.kit.clock import Clock
from opsicle.security.age_files import EncryptingWriter
from opsicle.security.age_keys import LockingKey
from opsicle.security.audit_key import AuditKey
from opsicle.security.authority import Authority
from opsicle.security.binding_key import BindingKey
from opsicle.security.master_key import MasterKey
from opsicle.security.sealing import Seal, new_key
from opsicle.server.approvals.bindings import Bindings
from opsicle.server.audit.checkpoints import sign_chain
from opsicle.server.backups.archive import (
    END,
    LOGS,
    ORG_HEAD,
    STATE,
    ArchiveWriter,
    BackupEnd,
    OrgHead,
)
from opsicle.server.backups.backup import (
    OnProgress,
    acting_as_owner,
    add_artifacts,
    add_file,
    check_room,
    require_fitting,
    workplace,
)
from opsicle.server.data_folder import explained, require_server_folder
from opsicle.server.keys.key_files import check_private, key_files
from opsicle.server.keys.key_fits import MASTER
from opsicle.server.keys.master_key_file import read_master_key
from opsicle.server.keys.order_keys import take_along
from opsicle.server.keys.vault import CHECK_SETTING, Vault, opens
from opsicle.server.org_moves.rebinding import rebind
from opsicle.server.org_moves.seeds import reseal
from opsicle.server.store import (
    audit,
    epochs,
    migrations,
    org_copies,
    orgs,
    settings,
    suspensions,
)
from opsicle.server.store.copies import copy_database
from opsicle.server.store.database import Connection
from opsicle.server.store.inspection import open_untouched
from opsicle.server.store.integrity import check_integrity
from opsicle.server.store.org_tables import CHECKPOINT_TABLES, LOG_TABLES, STATE_TABLES
from opsicle.server.store.orgs import OrgRow
from opsicle.version import __version__

WORKPLACE = ".exporting"
NOTES = "exported-orgs"
"""In the data folder: when which org was exported last."""


class OrgExportReport(msgspec.Struct, frozen=True, kw_only=True):
    """An org that was exported. `missing` is what the server itself had lost, by name."""

    org: str
    created_at: datetime
    bytes: int
    automations: int
    audit_entries: int
    people: int
    secrets: int
    files: int
    missing: tuple[str, ...]


class _TransportKeys(NamedTuple):
    """Keys that are in one export alone: they say what belongs together in it."""

    master: MasterKey
    seal: bytes
    binding: BindingKey


class OrgExport:
    """One export from a data folder."""

    def __init__(self, folder: Path, clock: Clock, on_progress: OnProgress) -> None:
        """Raise InvalidInput unless the folder is a server's."""
        require_server_folder(folder)
        self._folder = folder
        self._clock = clock
        self._on_progress = on_progress

    def write(
        self,
        code: str,
        target: IO[bytes],
        key: LockingKey,
        master_key_file: Path | None = None,
        *,
        again: bool = False,
        unsuspended: bool = False,
    ) -> OrgExportReport:
        """Write the org of this code, encrypted.

        Raises NotFound for an org that is not there; Conflict for one that may still start
        something, unless it may be `unsuspended`, for one that was exported before, unless
        `again`, and for damage; NotAllowed for keys that are not private; Unavailable where
        the disk has no room for copies of the databases; and OSError from `target`.
        """
        with (
            acting_as_owner(self._folder),
            workplace(self._folder, WORKPLACE, "export") as copies,
        ):
            check_room(self._folder)
            state = self._copy(STATE, copies)
            with closing(open_untouched(state)) as db:
                org = self._find(db, code, again=again)
                _require_exportable(db, org, unsuspended=unsuspended)
                require_fitting(db, self._keys(), (MASTER,))
                head = self._head(db, org)
            master_key = self._master_key(state, master_key_file)

            transport = _TransportKeys(MasterKey.create(), new_key(), BindingKey.create())
            taken = self._take(STATE, org, copies, {**STATE_TABLES, **CHECKPOINT_TABLES})
            with org_copies.draft(taken) as db:
                self._prepare(db, org, master_key, transport)
            check_integrity(taken)

            encrypted = EncryptingWriter(target, key)
            archive = ArchiveWriter(encrypted)
            archive.add_json(ORG_HEAD, head)
            _add_keys(archive, transport)
            report = self._add_contents(archive, head, org, copies)
            archive.close()
            encrypted.finish()
        return msgspec.structs.replace(report, bytes=encrypted.written)

    def note_done(self, report: OrgExportReport) -> None:
        """Note in the data folder that an export of this org is whole."""
        with files.as_owner_of(self._folder), explained(self._folder):
            noted = _notes(self._folder) | {report.org: report.created_at}
            files.replace(self._folder / NOTES, msgspec.json.encode(noted))

    def _copy(self, name: str, copies: Path) -> Path:
        copy = copies / f"server-{name}"
        copy_database(
            self._folder / name, copy, lambda share: self._on_progress(f"{name} {share:.0%}")
        )
        return copy

    def _find(self, db: Connection, code: str, *, again: bool) -> OrgRow:
        schema = int(db.pragma("user_version"))
        if schema != migrations.newest_schema():
            raise Conflict(
                f"the server's state has schema {schema}, "
                f"and this program {migrations.newest_schema()}",
                hint="Export with the program that runs on it; a newer one can import that.",
            )
        org = orgs.find_by_code(db, code)
        if org is None:
            raise NotFound(f"there is no org {code}", hint="`opsicle orgs list --all` shows them.")
        before = _notes(self._folder).get(code)
        if before and not again:
            raise Conflict(
                f"the org {code} was exported before, on {before:%Y-%m-%d %H:%M} UTC",
                hint="Where that export was imported, this org lives there. If it was not, "
                "say --again.",
            )
        return org

    def _head(self, db: Connection, org: OrgRow) -> OrgHead:
        with explained(self._folder):
            authority = (self._folder / "authority.pem").read_text(encoding="ascii")
        epoch = epochs.find(db)
        return OrgHead(
            version=__version__,
            created_at=self._clock.now(),
            schema=int(db.pragma("user_version")),
            ca_fingerprint=Authority.load(authority, authority).fingerprint,
            audit_key_pem=self._audit_key().public.pem,
            org_id=org.id,
            code=org.code,
            epoch=epoch.number if epoch else 1,
        )

    def _keys(self) -> dict[str, bytes]:
        with explained(self._folder):
            check_private(paths := list(key_files(self._folder)))
            return {path.name: path.read_bytes() for path in paths}

    def _audit_key(self) -> AuditKey:
        with explained(self._folder):
            return AuditKey.load((self._folder / "audit.pem").read_text(encoding="ascii"))

    def _master_key(self, state: Path, named: Path | None) -> MasterKey:
        path = named or self._folder / MASTER
        if not path.exists():
            raise Conflict(f"there is no {path}", hint="Name the key with --master-key-file.")
        key = read_master_key(path)
        with closing(open_untouched(state)) as db:
            check = settings.find(db, CHECK_SETTING)
        if check is not None and not opens(key, check):
            raise Conflict(
                f"{path.name} is not the key under which this server's secrets are encrypted",
                hint="Name the right one with --master-key-file.",
            )
        return key

    def _take(self, name: str, org: OrgRow, copies: Path, tables: dict[str, str]) -> Path:
        """Put the org's rows into a database of their own."""
        taken = copies / name
        is_state = name == STATE
        folder = migrations.STATE_MIGRATIONS if is_state else migrations.LOG_MIGRATIONS
        migrations.migrate(taken, folder)
        source = copies / f"server-{name}"
        org_copies.copy_rows(source, taken, org.id, tables, self._on_progress)
        source.unlink()
        return taken

    def _prepare(
        self, db: Connection, org: OrgRow, key: MasterKey, transport: _TransportKeys
    ) -> None:
        """Make of an org's rows what another server can take: sealed anew, signed to the end."""
        org_copies.retire_workers(db, org.id)
        members = {person.id for person in org_copies.list_people(db) if person.is_member}
        for person in org_copies.list_people(db):
            if person.id not in members:
                org_copies.retire_account(db, person.id)
        Vault(key).rewrap_all(db, transport.master)
        with suppress(FileNotFoundError):
            reseal(db, Seal((self._folder / "identity.key").read_bytes()), Seal(transport.seal))
        with explained(self._folder):
            binding = BindingKey((self._folder / "binding.key").read_bytes())
        self._on_progress("binding what was triggered")
        rebind(db, org.id, Bindings(binding), Bindings(transport.binding))
        take_along(db, org.id, binding, transport.binding)
        sign_chain(db, self._audit_key(), org.id, self._clock.now())

    def _add_contents(
        self, archive: ArchiveWriter, head: OrgHead, org: OrgRow, copies: Path
    ) -> OrgExportReport:
        """Add what `_take` and `_prepare` made, the logs and the files, and what ends an export."""
        taken = copies / STATE
        add_file(archive, STATE, taken)
        missing = self._add_logs(archive, org, copies)
        with closing(open_untouched(taken)) as db:
            count, lost = add_artifacts(archive, self._folder, db, self._on_progress)
            report = _report(db, head, count, (*missing, *lost))

        archive.add_json(END, BackupEnd(missing=report.missing))
        return report

    def _add_logs(self, archive: ArchiveWriter, org: OrgRow, copies: Path) -> tuple[str, ...]:
        """Add the logs, which are never a reason to have no export. Return what is missing."""
        try:
            self._copy(LOGS, copies)
            taken = self._take(LOGS, org, copies, LOG_TABLES)
            check_integrity(taken)
        except Conflict:
            return (LOGS,)
        add_file(archive, LOGS, taken)
        return ()


def _require_exportable(db: Connection, org: OrgRow, *, unsuspended: bool) -> None:
    """Raise Conflict for an org without a record, or one that may still start something."""
    if audit.head(db, org.id)[0] == 0:
        raise _without_record(org.code)
    if not unsuspended and not suspensions.is_suspended(db, org.id):
        raise _not_suspended(org.code)


def _add_keys(archive: ArchiveWriter, transport: _TransportKeys) -> None:
    archive.add_bytes("binding.key", transport.binding.content)
    archive.add_bytes("identity.key", transport.seal)
    archive.add_bytes("master.key", transport.master.text.encode("ascii"))


def _without_record(code: str) -> Conflict:
    return Conflict(
        f"the record of the org {code} is empty, though it began with the org",
        hint="Somebody has removed it past the server: restore a backup, and export from that.",
    )


def _not_suspended(code: str) -> Conflict:
    return Conflict(
        f"the org {code} is not suspended, and would go on here after it was exported",
        hint=f"`opsicle orgs suspend {code} --cancel-running` first; "
        "or --unsuspended, if this server runs no more.",
    )


def forget_export(folder: Path, code: str) -> None:
    """Forget that an org was exported: it lives here again."""
    if code in (noted := _notes(folder)):
        del noted[code]
        files.replace(folder / NOTES, msgspec.json.encode(noted))


def _notes(folder: Path) -> dict[str, datetime]:
    try:
        return msgspec.json.decode((folder / NOTES).read_bytes(), type=dict[str, datetime])
    except (FileNotFoundError, msgspec.MsgspecError):
        return {}


def _report(db: Connection, head: OrgHead, count: int, missing: tuple[str, ...]) -> OrgExportReport:
    return OrgExportReport(
        org=head.code,
        created_at=head.created_at,
        bytes=0,
        automations=org_copies.count(db, "automations"),
        audit_entries=org_copies.count(db, "audit_entries"),
        people=org_copies.count(db, "memberships"),
        secrets=org_copies.count(db, "secrets"),
        files=count,
        missing=missing,
    )
