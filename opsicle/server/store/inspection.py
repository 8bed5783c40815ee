"""Looking at a database file as it lies there, before anything of it is used or changed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import apsw

from opsicle.server.store import audit, epochs
from opsicle.server.store.commits import MinimumState, generation_of, log_number_of
from opsicle.server.store.epochs import Epoch

Heads = dict[str, tuple[int, str]]
"""The number and the hash of each chain's newest audit entry, by the org's id."""


class DatabaseInspection(NamedTuple):
    """What a file holds together with its write-ahead log.

    `file_generation` is what it holds without that.
    """

    schema: int
    epoch: Epoch | None
    at: MinimumState
    file_generation: int
    heads: Heads
    known_epoch: int
    """The newest epoch that a worker has proven to have worked in."""

    def has_entry(self, connection: apsw.Connection, org_id: str, seq: int, digest: str) -> bool:
        """Return whether an entry is there as it was, or was removed by retention."""
        found = audit.find_hash(connection, org_id, seq)
        return found == digest or (found is None and self.heads.get(org_id, (0, ""))[0] > seq)


def open_untouched(database: Path) -> apsw.Connection:
    """Open a file so that closing it again leaves its write-ahead log as it is, if it has one.

    Raises apsw.Error.
    """
    log = database.with_name(f"{database.name}-wal")
    connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_timeout(10_000)
    if log.exists() and log.stat().st_size:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    return connection


def inspect(connection: apsw.Connection, database: Path) -> DatabaseInspection:
    """Return what is there, seen through `open_untouched`.

    Raises apsw.Error for a file that cannot be read.
    """
    tables = {
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    }
    _, frames, _ = connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchone() or (0, 0, 0)
    return DatabaseInspection(
        schema=int(connection.pragma("user_version")),
        epoch=epochs.find(connection) if "settings" in tables else None,
        at=MinimumState(
            generation_of(connection),
            max(0, frames),
            log_number=log_number_of(database.with_name(f"{database.name}-wal")),
        ),
        file_generation=_file_generation(database),
        heads=audit.list_heads(connection) if "audit_entries" in tables else {},
        known_epoch=epochs.find_known(connection) if "settings" in tables else 0,
    )


def _file_generation(database: Path) -> int:
    """Return the generation of the file alone."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    alone = apsw.Connection(f"{database.absolute().as_uri()}?immutable=1", flags=flags)
    try:
        return generation_of(alone)
    finally:
        alone.close()
