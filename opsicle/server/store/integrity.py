"""Whether a database file is sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from opsicle.domain.errors import Conflict

_RESTORE = (
    "Put a copy of the data folder that is whole in its place, and start once with `opsicle server "
    "--accept-restored`; see `Restoring` in docs/server.md."
)

_STEPS_BETWEEN_CHECKS = 50_000
"""Of SQLite's machine, some milliseconds: how soon a check heeds that it is to end."""


class Interrupted(Exception):
    """A check was told to end before it was done."""


def check_integrity(
    database: Path, is_stopping: Callable[[], bool] = lambda: False, *, is_thorough: bool = False
) -> None:
    """Read through the whole file, seconds for each gigabyte.

    `is_thorough`: also see that every index has what its table has, which takes several times as
    long.

    Raises Conflict unless SQLite finds it sound and its references whole, Interrupted as soon as
    `is_stopping`.
    """
    connection = apsw.Connection(str(database))
    connection.set_busy_timeout(10_000)
    connection.set_progress_handler(is_stopping, _STEPS_BETWEEN_CHECKS)

    try:
        check = "integrity_check" if is_thorough else "quick_check"
        found = [str(row[0]) for row in connection.execute(f"PRAGMA {check}(1)")]
        if is_stopping():
            raise Interrupted  # told in the middle, the check answers as if it had found something
        if found != ["ok"] or connection.execute("PRAGMA foreign_key_check").fetchone():
            raise damaged(database)
    except apsw.InterruptError as error:
        raise Interrupted from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise damaged(database) from error
    finally:
        connection.close()


@contextmanager
def readable(database: Path) -> Iterator[None]:
    """Turn what SQLite says of a file that it cannot use into a Conflict that says what to do."""
    try:
        yield
    except (
        apsw.CorruptError,
        apsw.NotADBError,
        apsw.CantOpenError,
        apsw.IOError,
        apsw.SQLError,
    ) as error:
        raise damaged(database) from error


def damaged(database: Path) -> Conflict:
    """Return the error for a file that cannot be used."""
    return Conflict(f"{database.name} is damaged", hint=_RESTORE)
