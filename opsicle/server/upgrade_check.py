"""Whether this program can take over a server's data folder, tried on a copy of its state."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from opsicle.domain import template_parser
from opsicle.domain.errors import Conflict, OpsicleError
from opsicle.domain.manifest_formats import SUPPORTED_FORMATS, formats_text
from opsicle.domain.problems import first_names
from opsicle.server import last_backup, litestream
from opsicle.server.data_folder import find_running, require_server_folder
from opsicle.server.litestream import LitestreamReport
from opsicle.server.store import migrations, whole_documents, whole_fleet
from opsicle.server.store.copies import copy_database
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind
from opsicle.server.store.inspection import open_untouched
from opsicle.server.store.integrity import check_integrity, readable
from opsicle.version import __version__

_MIB = 1024**2
_MOST_NAMED = 5
_ROOM = 2
"""What a migration needs at most, by the size of what it changes: all of it in the write-ahead log,
and in the file once more."""

_READERS: Mapping[DocumentKind, Callable[[bytes], object]] = {
    DocumentKind.TEMPLATE: template_parser.parse_template,
    DocumentKind.POLICY: template_parser.parse_policy,
    DocumentKind.SCHEDULE: template_parser.parse_schedule,
    DocumentKind.TRIGGER: template_parser.parse_trigger,
    DocumentKind.TARGET: template_parser.parse_target,
}


class UpgradeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an upgrade to this program does, and how long its migrations took on a copy.

    `running` is the version of the server that runs on the folder, "" for none or one that does not
    say. `log_migrations` are those of the logs, which are not tried. `workers` are those of another
    version than this program, by version. `needed_bytes` is the room that migrations may take, of
    `free_bytes`. `litestream` is what copies the state elsewhere, None if nothing does. `obstacles`
    is what would go wrong.
    """

    version: str
    running: str
    schema: int
    new_schema: int
    migrations: tuple[str, ...]
    log_migrations: tuple[str, ...]
    seconds: float
    database_bytes: int
    needed_bytes: int
    free_bytes: int
    last_backup_at: datetime | None
    workers: dict[str, int]
    litestream: LitestreamReport | None
    obstacles: tuple[str, ...]


class _Trial(NamedTuple):
    """What came of the migrations on a copy of the state, which had this schema.

    `versions` are those of the workers that are not this program's.
    """

    schema: int
    seconds: float
    versions: list[str]
    obstacles: list[str]


def check_upgrade(folder: Path, on_progress: Callable[[str], None]) -> UpgradeReport:
    """Run on a copy of the state what a start of this program would run on it.

    The server may run meanwhile; nothing of it changes. The copy takes as much room as the state,
    in TMPDIR. Raises Conflict for a database that is damaged or of a newer program.
    """
    require_server_folder(folder)
    state, logs = folder / "opsicle.db", folder / "logs.db"
    migrations.check_sqlite()
    schema, seconds, versions, obstacles = _try_on_copy(state, on_progress)
    if schema == 0:
        obstacles.append(f"{state.name} is empty: restore the last backup")
    steps = _names(migrations.STATE_MIGRATIONS, 0)
    waiting = _waiting_of_logs(logs, obstacles)
    needed, free = _needed_bytes({state: steps[schema:], logs: waiting}), _free_bytes(folder)
    if free < needed:
        obstacles.append(
            f"{free // _MIB} MiB are free, and migrations may need {needed // _MIB} MiB"
        )

    running, backup = find_running(folder), last_backup.made_at(folder)
    return UpgradeReport(
        version=__version__,
        running=running.version if running else "",
        schema=schema,
        new_schema=len(steps),
        migrations=steps[schema:],
        log_migrations=waiting,
        seconds=seconds,
        database_bytes=sum(path.stat().st_size for path in (state, logs) if path.exists()),
        needed_bytes=needed,
        free_bytes=free,
        last_backup_at=None if backup is None else datetime.fromtimestamp(backup, UTC),
        workers={version: versions.count(version) for version in sorted(set(versions))},
        litestream=litestream.look(folder),
        obstacles=tuple(obstacles),
    )


def _waiting_of_logs(logs: Path, obstacles: list[str]) -> tuple[str, ...]:
    """Return which migrations wait for the database of logs; note what is wrong with it."""
    try:
        with readable(logs):
            return _names(migrations.LOG_MIGRATIONS, _schema(logs)) if logs.exists() else ()
    except Conflict as error:
        obstacles.append(f"{error.message}: a start sets it aside and begins with empty logs")
        return ()


def _needed_bytes(waiting: Mapping[Path, Sequence[str]]) -> int:
    """Return how much room the migrations of some databases may take."""
    return sum(_ROOM * path.stat().st_size for path, pending in waiting.items() if pending)


def _try_on_copy(state: Path, on_progress: Callable[[str], None]) -> _Trial:
    """Run the migrations on a copy of the state, and read there what this program would read."""
    with tempfile.TemporaryDirectory(prefix="opsicle-upgrade-") as copies:
        copy = Path(copies) / state.name
        copy_database(state, copy, lambda share: on_progress(f"copying the state {share:.0%}"))
        schema = _schema(copy)

        on_progress("running the migrations on the copy")
        began_at = time.monotonic()
        migrations.migrate(copy, migrations.STATE_MIGRATIONS)
        seconds = time.monotonic() - began_at
        check_integrity(copy)

        on_progress("reading documents as this program does")
        with closing(open_untouched(copy)) as db:
            found = (row.version for row in whole_fleet.in_service(db))
            versions = [version for version in found if version != __version__]
            return _Trial(schema, seconds, versions, [*_unread(db), *_unbound(db)])


def _free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _schema(database: Path) -> int:
    with closing(open_untouched(database)) as db:
        return int(db.pragma("user_version"))


def _names(folder: Path, after: int) -> tuple[str, ...]:
    return tuple(step.name for step in migrations.migrations(folder)[after:])


def _unread(db: Connection) -> Iterator[str]:
    """Tell documents that this program does not take as they were pushed."""
    for kind, read in _READERS.items():
        refused = []
        for row in whole_documents.newest_sources(db, kind):
            try:
                read(row.source.encode())
            except OpsicleError:
                refused.append(f"{row.org_code}/{row.name} {row.version}")
        if refused:
            yield (
                f"{kind.plural} that this program would not take: "
                f"{first_names(refused, _MOST_NAMED)}"
            )


def _unbound(db: Connection) -> Iterator[str]:
    """Tell automations that have not ended in a format that this program does not speak."""
    for row in whole_documents.count_open_by_format(db):
        if row.manifest_format not in SUPPORTED_FORMATS:
            yield (
                f"{row.count} automations that have not ended are in format {row.manifest_format}; "
                f"{formats_text('this program', SUPPORTED_FORMATS)}"
            )
