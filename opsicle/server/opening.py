"""Opening a data folder.

The one order in which its state is looked at, compared, brought up to date and opened.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from opsicle.domain.errors import Conflict
from opsicle.kit.clock import Clock
from opsicle.security.audit_key import AuditKey
from opsicle.security.authority import Authority
from opsicle.security.binding_key import BindingKey
from opsicle.security.order_key import OrderKey
from opsicle.server import state_marker
from opsicle.server.access.actor import SystemActor
from opsicle.server.approvals.binding_upgrade import binder
from opsicle.server.clean_stop import CleanStop
from opsicle.server.data_folder import DataFolder, explained
from opsicle.server.keys.binding_key_file import open_binding_key
from opsicle.server.keys.key_files import check_pins, check_private, key_files
from opsicle.server.keys.master_key_file import MasterKeyFile
from opsicle.server.keys.order_key_file import open_order_key
from opsicle.server.keys.order_keys import remember_order_key
from opsicle.server.keys.vault import Vault
from opsicle.server.state_marker import MissingState, StateMarker
from opsicle.server.store import audit, audit_checkpoints, epochs, migrations
from opsicle.server.store.commits import Commits
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.epochs import Epoch
from opsicle.server.store.inspection import open_untouched
from opsicle.server.store.integrity import check_integrity, readable

log = logging.getLogger(__name__)

_SPILL = "SQLITE_TMPDIR"
"""Where SQLite puts what it sorts: beside what it sorts, where there is room, and where nobody else
looks. Read-only roots of containers have no other folder that can be written."""

HELD_AFTER_RESTORE = "held after a restore"


class OpenState(NamedTuple):
    """The state of a server, open.

    `has_history`: it is not the first start. `missing`: what was accepted to be. `is_checked`: the
    database was read through, or is new.
    """

    database: Database
    marker: StateMarker
    has_history: bool
    missing: MissingState
    is_checked: bool


class Opening(NamedTuple):
    """How to open a folder: accept less than its server has had, and write its databases anew.

    `restored_from` says of what it was just made, for the record.
    """

    accept_restored: bool = False
    compact: bool = False
    restored_from: str = ""


AS_IT_IS = Opening()


@contextmanager
def open_state(
    folder: DataFolder,
    clock: Clock,
    on_fatal: Callable[[BaseException], None],
    how: Opening = AS_IT_IS,
) -> Iterator[OpenState]:
    """Open the database of a folder that nobody else uses.

    Raises NotAllowed for key files that are not private; Conflict for a database that is damaged or
    from a newer program, or holds less than the folder's marker says, unless that is accepted.
    Nothing was changed then.
    """
    path = folder.state_database
    os.environ.setdefault(_SPILL, str(folder.path))
    migrations.check_sqlite()
    check_private(key_files(folder.path))

    missing = _accepted_to_be_missing(folder, how)
    is_new = not path.exists() or path.stat().st_size == 0
    with explained(folder.path):
        if is_new and not folder.has_authority:
            state_marker.begin(folder.path, clock.now())
        commits = Commits(folder.path / state_marker.COMMITS)

    clean_stop = CleanStop(folder.path, (path, folder.log_database))
    was_clean = clean_stop.take()
    with closing(commits):
        with readable(path):
            if not is_new:
                with closing(open_untouched(path)) as connection:
                    commits.anchor(connection)
            folder.authority(clock.now(), is_expected=not is_new)
            _bring_up_to_date(path)
            if not is_new and not was_clean:
                check_integrity(path)

        if how.compact:
            _compact_all(folder)
        with (
            closing(Database(path, on_fatal, commits)) as database,
            closing(StateMarker(folder.path, database, commits, clock)) as marker,
        ):
            yield OpenState(database, marker, not is_new, missing, is_new or not was_clean)
    clean_stop.leave()


def _compact_all(folder: DataFolder) -> None:
    _compact(folder.state_database)
    with suppress(Conflict):  # damaged logs are set aside where they are opened
        _compact(folder.log_database)


def _accepted_to_be_missing(folder: DataFolder, how: Opening) -> MissingState:
    """Return what the folder lacks of what its server has had. Raises Conflict unless accepted."""
    missing = _compare(folder)
    if how.restored_from:
        missing = msgspec.structs.replace(missing, reasons=(how.restored_from,))
    if missing.reasons and not how.accept_restored:
        raise Conflict(
            f"the data folder holds less than its server has had: {'; '.join(missing.reasons)}",
            hint="Put the newest copy in its place. If this is the newest there is, "
            "start once with `opsicle server --accept-restored`; "
            "docs/server.md says what follows under `Restoring`.",
        )
    return missing


def _bring_up_to_date(path: Path) -> None:
    if applied := migrations.migrate(path, migrations.STATE_MIGRATIONS):
        log.info("database migrated", extra={"database": path.name, "migrations": applied})


def pin_keys(
    folder: DataFolder, state: Database, authority: Authority, audit_key: AuditKey
) -> None:
    """Make sure that the keys are those with which the database was written. Raises Conflict.

    The one that seals authenticator apps may be lost, and is then made anew; but it may not be
    another server's.
    """
    made = () if folder.has_identity_key else ("identity.key",)
    fingerprints = {
        "authority.pem": authority.fingerprint,
        "audit.pem": audit_key.public.fingerprint,
        "identity.key": sha256(folder.identity_key()).hexdigest(),
    }
    check_pins(state, fingerprints, made)


class ServerKeys(NamedTuple):
    """The keys of a server, each known to be the one that belongs to its database."""

    authority: Authority
    audit: AuditKey
    order: OrderKey
    vault: Vault
    binding: BindingKey


def open_keys(
    folder: DataFolder,
    state: Database,
    clock: Clock,
    master_key_file: Path | None = None,
    *,
    accept_restored: bool = False,
) -> ServerKeys:
    """Return the keys; the first start makes them.

    Raises Conflict for keys that are lost, or another server's.
    """
    authority = folder.authority(clock.now())
    audit_key = folder.audit_key(has_signed=state.read(audit_checkpoints.exists))
    order_key = open_order_key(folder, state)
    vault = MasterKeyFile(folder, master_key_file).open_vault(state)
    pin_keys(folder, state, authority, audit_key)
    binding_key = open_binding_key(
        folder, state, binder(state, clock), accept_restored=accept_restored
    )
    remember_order_key(state, binding_key, order_key.public, clock.now())
    return ServerKeys(authority, audit_key, order_key, vault, binding_key)


def begin_epoch(state: OpenState, clock: Clock, *, accept_restored: bool) -> Epoch:
    """Return the epoch in which the server runs.

    The next one, with the queue held, after something missing was accepted.

    `accept_restored` on a server whose queue is held, and that misses nothing, releases it.
    """

    def work(db: Connection) -> Epoch:
        epoch = epochs.find(db)
        if state.missing.reasons:
            return _begin_next(db, state.missing, epoch, clock)

        if accept_restored and epochs.find_hold(db):
            epochs.hold(db, "")
            audit.append(
                db,
                clock.now(),
                None,
                SystemActor(),
                "release_queue",
                "server",
                {"by": "--accept-restored"},
            )
        return epoch or epochs.begin(db, 1)

    epoch = state.database.write(work)
    # So that the file alone, without its log, is known for one that has a marker.
    state.database.checkpoint()
    state.marker.write()
    if state.missing.reasons:
        log.warning(
            "a restored state was accepted",
            extra={"epoch": epoch.number, "missing": state.missing.reasons},
        )
    return epoch


def _begin_next(db: Connection, missing: MissingState, before: Epoch | None, clock: Clock) -> Epoch:
    epoch = epochs.begin(db, max(missing.epoch, before.number if before else 0) + 1)
    epochs.hold(db, HELD_AFTER_RESTORE)
    facts = {
        "epoch": epoch.number,
        "epoch_before": before.number if before else 1,
        "missing": list(missing.reasons),
    }
    for org_id in audit.list_heads(db):
        data = facts | {"missing_entries": missing.entries.get(org_id, 0)}
        audit.append(
            db, clock.now(), org_id or None, SystemActor(), "accept_restored", "server", data
        )
    return epoch


def _compare(folder: DataFolder) -> MissingState:
    """Return what the folder lacks. Raises Conflict for the database of a newer program."""
    path = folder.state_database
    with readable(path):
        if path.exists() and path.stat().st_size:
            with closing(open_untouched(path)) as connection:
                migrations.refuse_newer(connection, path, migrations.newest_schema())
        return state_marker.compare(folder.path, path, has_keys=folder.has_authority)


def _compact(database: Path) -> None:
    """Write a database anew, if it is there."""
    if not database.exists():
        return
    before = database.stat().st_size
    migrations.compact(database)
    sizes = {"bytes_before": before, "bytes_after": database.stat().st_size}
    log.info("database written anew", extra={"database": database.name, **sizes})
