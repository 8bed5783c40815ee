"""What runs inside one transaction: units of work, each in a savepoint, and queries."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import apsw
from apsw import Connection

T = TypeVar("T")
Unit = Callable[[Connection], Any]
Outcome = tuple[Any, BaseException | None]


class Unchecked:
    """A unit of work in which references are not looked up."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self._work = work

    def __call__(self, db: Connection) -> Any:
        """Run it."""
        return self._work(db)


class Accompanied:
    """A unit of work, and what is done besides while the disk is waited for on its account."""

    def __init__(self, work: Callable[[Connection], Any], besides: Callable[[], None]) -> None:
        self._work = work
        self.besides = besides

    def __call__(self, db: Connection) -> Any:
        """Run it."""
        return self._work(db)


def touch(db: Connection) -> None:
    """Write a page as it is, so that the disk is waited for."""
    db.execute(f"PRAGMA user_version = {db.pragma('user_version')}")


def run_unit(connection: Connection, unit: Unit) -> Outcome:
    """Run one unit in a savepoint; only I/O trouble may end the others' transaction."""
    connection.execute("SAVEPOINT unit")
    outcome = run_bare(connection, unit)
    if outcome[1] is not None:
        connection.execute("ROLLBACK TO unit")
    connection.execute("RELEASE unit")
    return outcome


def run_bare(connection: Connection, unit: Unit) -> Outcome:
    """Run one unit without a savepoint; whoever calls undoes what it has done if it has failed."""
    try:
        return unit(connection), None
    except (apsw.FullError, apsw.IOError):
        raise
    except Exception as error:  # noqa: BLE001 - it belongs to the caller who waits for this unit
        return None, error


def in_snapshot(connection: Connection, query: Callable[[Connection], T]) -> T:
    """Run a query on one state of the database. Raises ReadOnlyError for one that changes rows."""
    changes = connection.total_changes()
    connection.execute("BEGIN")
    try:
        found = query(connection)
        if connection.total_changes() != changes:
            raise apsw.ReadOnlyError("a query may change nothing")
        return found
    except BaseException as error:
        # A cursor that stands amid its rows would keep the snapshot for as long as anybody keeps
        # this error.
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        connection.execute("ROLLBACK")
