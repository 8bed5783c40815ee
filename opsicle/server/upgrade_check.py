"""Whether this program can take over a server's data folder, tried on a copy of its state."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec

from opsicle.server.data_folder import require_server_folder
from opsicle.server.store import migrations, whole_fleet
from opsicle.server.store.copies import copy_database
from opsicle.server.store.inspection import open_untouched
from opsicle.server.store.integrity import check_integrity
from opsicle.version import __version__


class UpgradeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an upgrade to this program does, and how long its migrations took on a copy.

    `workers` are those of another version than this program, by version.
    """

    version: str
    schema: int
    new_schema: int
    migrations: tuple[str, ...]
    seconds: float
    workers: dict[str, int]


def check_upgrade(folder: Path, on_progress: Callable[[str], None]) -> UpgradeReport:
    """Run on a copy of the state what a start of this program would run on it.

    The server may run meanwhile; nothing of it changes. The copy takes as much room as the state,
    in TMPDIR. Raises Conflict for a database that is damaged or of a newer program.
    """
    require_server_folder(folder)
    state = folder / "opsicle.db"
    migrations.check_sqlite()
    with tempfile.TemporaryDirectory(prefix="opsicle-upgrade-") as copies:
        copy = Path(copies) / state.name
        copy_database(state, copy, lambda share: on_progress(f"copying the state {share:.0%}"))
        with closing(open_untouched(copy)) as db:
            schema = int(db.pragma("user_version"))

        on_progress("running the migrations on the copy")
        began_at = time.monotonic()
        migrations.migrate(copy, migrations.STATE_MIGRATIONS)
        seconds = time.monotonic() - began_at
        check_integrity(copy)

        with closing(open_untouched(copy)) as db:
            found = (row.version for row in whole_fleet.in_service(db))
            versions = [version for version in found if version != __version__]

    steps = migrations.migrations(migrations.STATE_MIGRATIONS)
    return UpgradeReport(
        version=__version__,
        schema=schema,
        new_schema=len(steps),
        migrations=tuple(step.name for step in steps[schema:]),
        seconds=seconds,
        workers={version: versions.count(version) for version in sorted(set(versions))},
    )
