"""Databases with the schema of today, for services."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from opsicle.server.store.database import Database
from opsicle.server.store.migrations import migrate

STORE = Path(__file__).parents[2] / "opsicle/server/store"


def open_database(folder: Path, name: str, migrations: str) -> Database:
    """Return a database with its schema of today."""
    if not begin_empty(folder / name, STORE / migrations):
        migrate(folder / name, STORE / migrations)
    return Database(folder / name, on_fatal=raise_fatal)


def begin_empty(file: Path, migrations: Path) -> bool:
    """Make a file with the schema of today, unless there is one; return whether there was none."""
    if file.exists():
        return False
    file.write_bytes(_empty(migrations))
    return True


@cache
def _empty(migrations: Path) -> bytes:
    """Return what migrations make of nothing; kept, because hundreds of tests begin with it."""
    with TemporaryDirectory() as folder:
        migrate(Path(folder) / "empty.db", migrations)
        return (Path(folder) / "empty.db").read_bytes()


def raise_fatal(error: BaseException) -> None:
    """Let a test end in what would end a server."""
    raise error
