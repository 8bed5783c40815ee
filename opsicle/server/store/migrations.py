"""Bringing a database file to the schema of this program, one numbered file of SQL after the other.

`PRAGMA user_version` says how many have been applied. Each is one transaction, its number included,
so that a process that dies half-way leaves the old schema or the new one.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import apsw
import msgspec

from opsicle.domain.errors import Conflict, Unavailable
from opsicle.server.store.integrity import damaged
from opsicle.server.store.migration_steps import STEPS

log = logging.getLogger(__name__)

STATE_MIGRATIONS = Path(__file__).parent / "migrations"
LOG_MIGRATIONS = Path(__file__).parent / "log_migrations"

OLDEST_SQLITE = (3, 51, 3)
"""Older ones can corrupt a database when the WAL is reset while another connection commits."""

_CACHE_KIB = 64 * 1024
"""While migrations run, so that an index over a long history is sorted in memory."""

_SMALL_BYTES = 64 * 1024 * 1024
"""A file up to this size that cannot give room back is rewritten at the start, in half a second."""

_kept: dict[Path, dict[str, str]] = {}
"""The SQL of files by name, for folders that were read as a whole."""

_FILE_NAME = re.compile(r"([0-9]{4})_[a-z0-9_]+\.sql")


class Migration(msgspec.Struct, frozen=True):
    """One file. `number` counts from 1 without a gap."""

    number: int
    name: str
    folder: Path

    @property
    def sql(self) -> str:
        """What it runs; read when asked for, because a start has mostly none to run."""
        if kept := _kept.get(self.folder):
            return kept[self.name]
        return (self.folder / self.name).read_text(encoding="utf-8")


def check_sqlite() -> None:
    """Raise Unavailable if the SQLite that this program runs with is too old to be trusted."""
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")) < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise Unavailable(f"SQLite {version} is too old", hint=f"Opsicle needs {wanted} or later.")


def migrations(folder: Path) -> list[Migration]:
    """Return the migrations in a folder, in order."""
    found: list[Migration] = []
    for name in sorted(_kept.get(folder, ())) or _names(folder):
        match = _FILE_NAME.fullmatch(name)
        if match is None or int(match[1]) != len(found) + 1:
            raise ValueError(
                f"{name} is out of order: migrations are numbered from 0001 without a gap"
            )
        found.append(Migration(int(match[1]), name, folder))
    return found


def _names(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.name.endswith(".sql"))


def keep_in_memory() -> None:
    """Read all migrations now: the files may not be readable for whom this process acts then."""
    for folder in (STATE_MIGRATIONS, LOG_MIGRATIONS):
        _kept[folder] = {step.name: step.sql for step in migrations(folder)}


def newest_schema() -> int:
    """Return the schema to which this program brings a server's state."""
    return len(migrations(STATE_MIGRATIONS))


def migrate(database: Path, folder: Path) -> int:
    """Bring a file, made if absent, to the newest schema; return how many migrations that took.

    Raises Conflict for a file that a newer program has written, and for one that is damaged.
    """
    known = migrations(folder)
    connection = _open(database)
    try:
        version = refuse_newer(connection, database, len(known))
        if 0 < version < len(known):
            _announce(database, version, len(known))
        for migration in known[version:]:
            _apply(connection, migration)

        if connection.pragma("auto_vacuum") == 0 and database.stat().st_size <= _SMALL_BYTES:
            _compact(connection)
    finally:
        connection.close()

    return len(known) - version


def _announce(database: Path, version: int, newest: int) -> None:
    """Say that a start will take longer: a million automations take half a minute."""
    megabytes = database.stat().st_size // 1_000_000
    log.info(
        "the database is being migrated: the server begins once that is done",
        extra={"database": database.name, "from": version, "to": newest, "megabytes": megabytes},
    )


def refuse_newer(connection: apsw.Connection, database: Path, known: int) -> int:
    """Return the schema of a file. Raises Conflict if it is newer than the newest that is known."""
    version = _version(connection, database)
    if version > known:
        raise Conflict(
            f"{database.name} was written by a newer Opsicle "
            f"(schema {version}, this one knows {known})",
            hint="Start the newer program, or restore a backup from before the upgrade with this "
            "one into another folder (docs/operations/checking-and-upgrading.md).",
        )
    return version


def compact(database: Path) -> None:
    """Rewrite a file, so that it holds no free pages, and gives room back from then on.

    It takes some seconds for each gigabyte, and meanwhile as much room again. Raises Unavailable
    where the disk has too little, Conflict for a file that is damaged.
    """
    connection = _open(database)
    try:
        _compact(connection)
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise damaged(database) from error
    except apsw.FullError as error:
        raise Unavailable(
            f"the disk is too full to write {database.name} anew",
            hint="It takes as much room as the file itself.",
        ) from error
    finally:
        connection.close()


def _compact(connection: apsw.Connection) -> None:
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("VACUUM")


def _open(database: Path) -> apsw.Connection:
    connection = apsw.Connection(str(database))
    connection.set_busy_timeout(10_000)
    return connection


def _version(connection: apsw.Connection, database: Path) -> int:
    try:
        if connection.pragma("page_count") == 0:  # it can be chosen while there is nothing yet
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        return int(connection.pragma("user_version"))
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise damaged(database) from error


def _apply(connection: apsw.Connection, migration: Migration) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(migration.sql)
        if migration.name in STEPS:
            STEPS[migration.name](connection)
        connection.execute(f"PRAGMA user_version = {migration.number}")
        connection.execute("COMMIT")
    except apsw.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
