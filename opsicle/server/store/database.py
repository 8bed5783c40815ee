"""One SQLite file: many readers, one writer, group commit.

A caller hands `write` a unit of work and waits. Whatever units have gathered by the time the writer is free run
one after the other, each in a savepoint of its own, inside one `BEGIN IMMEDIATE … COMMIT` with `synchronous=FULL`;
only then is anyone answered. So an acknowledged change survives a power cut, and N changes cost one fsync.

SQLite runs in real OS threads, so that an fsync never holds the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import apsw
import gevent
from apsw import Connection
from gevent.event import AsyncResult
from gevent.queue import SimpleQueue
from gevent.threadpool import ThreadPool

from opsicle.domain.errors import Unavailable
from opsicle.server.threads import run_in

__all__ = ["Connection", "Database"]

T = TypeVar("T")
Unit = Callable[[Connection], Any]

READERS = 3
MAX_BATCH = 200
"""Units in one commit: bounds how long the first of them waits for the last."""


class Database:
    """Owns the connections of one file. `write` and `read` may be called from any greenlet."""

    def __init__(self, path: Path, on_fatal: Callable[[BaseException], None]) -> None:
        """`on_fatal` ends the process: after a failed fsync nobody knows what the file holds."""
        self.path = path
        self._on_fatal = on_fatal
        self._writer = ThreadPool(1)
        self._readers = ThreadPool(READERS)
        self._idle_readers: SimpleQueue[Connection] = SimpleQueue()
        self._waiting: list[tuple[Unit, AsyncResult[Any]]] = []
        self._is_committing = False
        self._is_closed = False
        self._write_connection = _open(path)
        for _ in range(READERS):
            self._idle_readers.put(_open(path, is_reader=True))

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run a unit of work and answer once it is durable.

        What `work` raises reaches the caller after its own changes alone were undone. Raises Unavailable when the
        disk is full or the database is closed. `work` runs in another thread: it may only touch the connection.
        """
        if self._is_closed:
            raise Unavailable("the server is shutting down")
        result: AsyncResult[T] = AsyncResult()
        self._waiting.append((work, result))
        if not self._is_committing:
            self._is_committing = True
            gevent.spawn(self._commit_waiting)
        return cast("T", result.get())

    def _commit_waiting(self) -> None:
        """Commit batch after batch until none waits."""
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_BATCH], self._waiting[MAX_BATCH:]
            try:
                outcomes = self._writer.apply(self._commit, ([work for work, _ in batch],))
            except Exception as error:  # noqa: BLE001 - each caller gets it; none may wait for ever
                outcomes = [(None, error)] * len(batch)
            for (_, result), (value, failure) in zip(batch, outcomes, strict=True):
                if failure is None:
                    result.set(value)
                else:
                    result.set_exception(failure)
        self._is_committing = False

    def _commit(self, units: list[Unit]) -> list[tuple[Any, BaseException | None]]:
        """Run in the writer's thread: every unit in its savepoint, one commit for all."""
        connection = self._write_connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = [_run(connection, unit) for unit in units]
            connection.execute("COMMIT")
        except apsw.FullError:
            _roll_back(connection)
            error = Unavailable("the server's disk is full", hint="Free some space; nothing was changed.")
            return [(None, error) for _ in units]
        except apsw.IOError as error:
            self._on_fatal(error)
            raise
        except apsw.Error as error:
            _roll_back(connection)
            return [(None, error) for _ in units]
        return outcomes

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query on a snapshot of its own, in another thread; it never waits for the writer."""
        if self._is_closed:
            raise Unavailable("the server is shutting down")
        connection = self._idle_readers.get()
        try:
            return cast("T", run_in(self._readers, _in_snapshot, connection, query))
        finally:
            self._idle_readers.put(connection)

    def close(self) -> None:
        """Wait for what is under way, fold the WAL into the file and close. Further calls raise Unavailable."""
        if self._is_closed:
            return
        self._is_closed = True
        self._writer.join()
        self._readers.join()
        for _ in range(READERS):
            self._idle_readers.get().close()
        self._write_connection.close()
        self._writer.kill()
        self._readers.kill()


def _open(path: Path, *, is_reader: bool = False) -> Connection:
    """Open with the pragmas that durability and speed depend on."""
    connection = Connection(str(path))
    connection.set_busy_timeout(10_000)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -4000")
    if is_reader:
        connection.execute("PRAGMA query_only = ON")
    return connection


def _run(connection: Connection, unit: Unit) -> tuple[Any, BaseException | None]:
    """Run one unit in a savepoint; only I/O trouble may end the others' transaction."""
    connection.execute("SAVEPOINT unit")
    try:
        value = unit(connection)
    except (apsw.FullError, apsw.IOError):
        raise
    except Exception as error:  # noqa: BLE001 - it belongs to the caller who waits for this unit
        connection.execute("ROLLBACK TO unit")
        connection.execute("RELEASE unit")
        return None, error
    connection.execute("RELEASE unit")
    return value, None


def _roll_back(connection: Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _in_snapshot(connection: Connection, query: Callable[[Connection], T]) -> T:
    with _transaction(connection):
        return query(connection)


@contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
