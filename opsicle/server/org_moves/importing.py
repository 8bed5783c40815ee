"""Taking an org that another server has exported into the data folder of one that is stopped.

Everything is checked in a draft inside the folder. Then its files are put in their place, its logs
are added, and last its state, in one transaction: with that the org is there. Where anything is
wrong before, nothing is left. If the process is killed, files and logs may be left that nobody
names; the next import of the org begins with removing them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple, TypeVar

import msgspec

from opsicle.domain.audit_chain import NO_HASH, chain_of
from opsicle.domain.errors import Conflict, InvalidInput
from opsicle.domain.problems import first_names
from opsicle.kit import files
from opsicle.kit.clock import Clock, to_text
from opsicle.security.age_keys import OpeningKey
from opsicle.security.audit_key import AuditKey
from opsicle.security.binding_key import BindingKey
from opsicle.security.master_key import MasterKey
from opsicle.security.sealing import Seal
from opsicle.server.access.actor import SystemActor
from opsicle.server.approvals.bindings import Bindings
from opsicle.server.backups.archive import LOGS, STATE, OrgHead
from opsicle.server.backups.backup import OnProgress, acting_as_owner, workplace
from opsicle.server.backups.unpacking import Unpacked, unpack
from opsicle.server.data_folder import DataFolder, explained, require_server_folder
from opsicle.server.keys.order_keys import take_along
from opsicle.server.opening import ServerKeys, open_keys, open_state
from opsicle.server.org_moves.export import forget_export
from opsicle.server.org_moves.import_checks import (
    bring_up_to_date,
    check_draft,
    check_free,
    check_head,
    check_logs,
)
from opsicle.server.org_moves.rebinding import rebind
from opsicle.server.org_moves.seeds import reseal
from opsicle.server.store import (
    audit,
    audit_checkpoints,
    forwarding,
    migrations,
    org_copies,
    org_returns,
    users,
)
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.org_copies import MOVED, DraftAccount, EndedWork
from opsicle.server.store.org_tables import LOG_TABLES, STATE_TABLES, USERS
from opsicle.wire.audit import Checkpoint

WORKPLACE = ".importing"
_MOST_NAMED = 5
T = TypeVar("T")
_ACTOR = SystemActor("import")


class OrgImportOptions(NamedTuple):
    """What an import is told beside the export.

    `links_accounts`: whoever has an account here already, by their address, is the same person.
    """

    master_key_file: Path | None = None
    links_accounts: bool = False


class OrgImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """An org that was imported.

    `cancelled` had waited, `unknown` had begun where it came from. `linked` are the addresses of
    those who have had an account here before. `missing` is what its old server had lost, by name.
    """

    org: str
    exported_at: datetime
    made_by: str
    ca_fingerprint: str
    automations: int
    audit_entries: int
    people: int
    files: int
    linked: tuple[str, ...]
    cancelled: tuple[str, ...]
    unknown: tuple[str, ...]
    missing: tuple[str, ...]


class OrgImport:
    """One export on its way into a data folder."""

    def __init__(
        self, data_dir: Path, clock: Clock, on_progress: OnProgress, options: OrgImportOptions
    ) -> None:
        """Raise InvalidInput unless the folder is a server's."""
        require_server_folder(data_dir)
        self._data_dir = data_dir
        self._clock = clock
        self._on_progress = on_progress
        self._options = options

    def run(self, source: IO[bytes], key: OpeningKey) -> OrgImportReport:
        """Import an org.

        Raises InvalidInput for what is no export, or was cut short or altered, and for another
        passphrase; Conflict while a server uses the folder, for an org, a code or an account that
        is here already, for what is damaged and for what a newer program has made; Unavailable
        where there is no room. The folder is then as it was.
        """
        with (
            explained(self._data_dir),
            acting_as_owner(self._data_dir),
            closing(DataFolder.open(self._data_dir)) as folder,
            workplace(folder.path, WORKPLACE, "import") as draft,
        ):
            unpacked = unpack(source, key, draft, self._on_progress, OrgHead)
            bring_up_to_date(draft)
            with open_state(folder, self._clock, _fail) as opened:
                state = opened.database
                keys = open_keys(folder, state, self._clock, self._options.master_key_file)
                return self._import(folder, state, keys, draft, unpacked)

    def _import(
        self,
        folder: DataFolder,
        state: Database,
        keys: ServerKeys,
        draft: Path,
        unpacked: Unpacked[OrgHead],
    ) -> OrgImportReport:
        head = unpacked.head
        check_head(head)
        state.read(lambda db: check_free(db, head))
        check_logs(draft / LOGS, head)
        with org_copies.draft(draft / STATE) as db:
            self._on_progress("verifying the record")
            last = check_draft(db, head)
            self._on_progress("binding what was triggered")
            _bind_anew(db, head, draft, keys.binding)
            linked = self._link(db, state)
            org_copies.retire_workers(db, head.org_id)
            # Those that serve all orgs here, and have worked for this one when it was here before:
            # its history names them as they are.
            org_returns.leave_out(db, state.read(org_returns.list_shared_ids))
            ended = org_copies.end_open_work(db, self._clock.now())
            keys.vault.take_over(db, _transport_key(draft))
            reseal(db, Seal((draft / "identity.key").read_bytes()), Seal(folder.identity_key()))
            report = _report(db, unpacked, ended, linked)
        files.sync_file_system(draft)

        try:
            self._place(folder, draft, head)
            state.write(lambda db: self._add(db, draft, head, last, ended, keys.audit))
        except BaseException:
            self._remove(folder, head)
            raise
        forget_export(folder.path, head.code)
        return report

    def _link(self, db: Connection, state: Database) -> tuple[str, ...]:
        """Give those who have an account here already their place in the org under that one.

        What they did stays under the account that they had, which nobody can use any more; where
        the org was on this server before, that may be the very same. Raises Conflict unless they
        are said to be the same people.
        """
        people = org_copies.list_people(db)
        kept: dict[str, str] = {}
        for person in people:
            if address := state.read(_finding(org_copies.find_kept, person.id)):
                kept[person.id] = address
                org_copies.close_ways_in(db, person.id)

        # By the address here: what an export calls an account is for whoever made it to say.
        here: list[str] = []
        members: list[DraftAccount] = [each for each in people if each.is_member]
        moved: list[tuple[str, str]] = []
        for person in members:
            if person.id in kept:
                here.append(kept[person.id])
            elif account := state.read(_finding(users.find_by_email, person.email)):
                here.append(account.email)
                moved.append((person.id, account.id))
        if here and not self._options.links_accounts:
            raise Conflict(
                f"these addresses have accounts here: {first_names(here, _MOST_NAMED)}",
                hint="Whoever has them would have in the org what its members had. If they are "
                "the same people, say --link-accounts.",
            )
        for old, new in moved:
            org_copies.retire_account(db, old)
            org_copies.hand_rights_over(db, old, new)
        return tuple(here)

    def _place(self, folder: DataFolder, draft: Path, head: OrgHead) -> None:
        """Put files and logs in their place, where nothing names them yet."""
        self._remove(folder, head)
        if (draft / "artifacts" / head.org_id).exists():
            folder.artifacts.mkdir(mode=0o700, exist_ok=True)
            (draft / "artifacts" / head.org_id).rename(folder.artifacts / head.org_id)
            files.sync_folder(folder.artifacts)
        if (draft / LOGS).exists():
            tables = list(LOG_TABLES)
            self._in_logs(
                folder,
                lambda db: org_copies.add_rows(db, draft / LOGS, tables, self._on_progress),
            )

    def _remove(self, folder: DataFolder, head: OrgHead) -> None:
        """Remove files and logs of an org that is not here: of an import that did not end."""
        shutil.rmtree(folder.artifacts / head.org_id, ignore_errors=True)
        self._in_logs(folder, lambda db: org_copies.delete_logs(db, head.org_id))

    def _in_logs(self, folder: DataFolder, work: Callable[[Connection], None]) -> None:
        migrations.migrate(folder.log_database, migrations.LOG_MIGRATIONS)
        with closing(Database(folder.log_database, _fail)) as logs:
            logs.write(work)

    def _add(
        self,
        db: Connection,
        draft: Path,
        head: OrgHead,
        last: Checkpoint,
        ended: EndedWork,
        key: AuditKey,
    ) -> None:
        """Add the org with its record, and go on with that under this server's own key."""
        now = self._clock.now()
        org_copies.add_rows(db, draft / STATE, (*STATE_TABLES, USERS), self._on_progress)
        taken = msgspec.structs.replace(
            last, number=1, at=to_text(now), previous=NO_HASH, signature=""
        )
        signature = key.sign(chain_of(head.org_id), taken)
        audit_checkpoints.insert(
            db, head.org_id, msgspec.structs.replace(taken, signature=signature)
        )
        for destination in org_copies.list_destinations(db):
            forwarding.save_cursors(db, destination, {head.org_id: last.seq})

        source = {
            "from": head.ca_fingerprint,
            "exported_at": to_text(head.created_at),
            "epoch_before": head.epoch,
            "audit_key": head.audit_key_pem,
            "checkpoint": msgspec.to_builtins(last),
        }
        audit.append(db, now, head.org_id, _ACTOR, "import_org", f"orgs/{head.org_id}", source)
        for verb, ids in (("cancel", ended.cancelled), ("lose", ended.unknown)):
            for automation_id in ids:
                resource = f"automations/{automation_id}"
                audit.append(db, now, head.org_id, _ACTOR, verb, resource, {"reason": MOVED})
        facts = {"code": head.code, "from": head.ca_fingerprint}
        audit.append(db, now, None, _ACTOR, "import_org", f"orgs/{head.org_id}", facts)


def _finding(find: Callable[[Connection, str], T], key: str) -> Callable[[Connection], T]:
    return lambda db: find(db, key)


def _bind_anew(db: Connection, head: OrgHead, draft: Path, key: BindingKey) -> None:
    """Bind with this server's key what the draft has bound with that of the export."""
    before = BindingKey((draft / "binding.key").read_bytes())
    rebind(db, head.org_id, Bindings(before), Bindings(key))
    take_along(db, head.org_id, before, key)


def _transport_key(draft: Path) -> MasterKey:
    try:
        return MasterKey.from_text((draft / "master.key").read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError) as error:
        raise InvalidInput("the export holds no key for its secrets") from error


def _report(
    db: Connection, unpacked: Unpacked[OrgHead], ended: EndedWork, linked: tuple[str, ...]
) -> OrgImportReport:
    head = unpacked.head
    return OrgImportReport(
        org=head.code,
        exported_at=head.created_at,
        made_by=head.version,
        ca_fingerprint=head.ca_fingerprint,
        automations=org_copies.count(db, "automations"),
        audit_entries=org_copies.count(db, "audit_entries"),
        people=org_copies.count(db, "memberships"),
        files=unpacked.artifacts,
        linked=linked,
        cancelled=ended.cancelled,
        unknown=ended.unknown,
        missing=unpacked.end.missing,
    )


def _fail(error: BaseException) -> None:
    raise error
