"""One SQLite file: one connection that writes, one that reads meanwhile, group commit.

A caller hands `write` a unit of work and waits. Whatever units have gathered by the time the last
commit is through run one after the other, each in a savepoint of its own, inside one `BEGIN
IMMEDIATE … COMMIT` with `synchronous=FULL`; only then is anyone answered. So an acknowledged change
survives a power cut, and N changes cost one fsync.

What takes microseconds runs on the event loop, because handing it to a thread and back costs more.
What waits for the disk, COMMIT, runs in a real OS thread, so that an fsync never holds the loop.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import apsw
import gevent
from apsw import Connection
from gevent.threadpool import ThreadPool

from opsicle.domain.errors import Unavailable
from opsicle.server.org_limits import FairSemaphore
from opsicle.server.store import wakeups
from opsicle.server.store.commits import Commits
from opsicle.server.store.connections import open_connection
from opsicle.server.store.group_commit import GroupCommit
from opsicle.server.store.rows import fetch_value
from opsicle.server.store.units import (
    Accompanied,
    Outcome,
    Unchecked,
    Unit,
    in_snapshot,
    run_bare,
    run_unit,
    touch,
)
from opsicle.server.store.wakeups import WakeupKind
from opsicle.server.threads import WorkerThread, run_in

log = logging.getLogger(__name__)

__all__ = ["Connection", "Database"]

T = TypeVar("T")

_MOST_LONG_READERS = 3
"""At once, so that whoever looks into the inbox does not wait for another's verification."""

_MOST_LONG_WAITING = 20
"""Long queries of one org that wait for their turn."""

_CHECKPOINT_FRAMES = 1000
"""SQLite's own default, at which it folds in the log of a database without `commits`."""

_PAGES_AT_ONCE = 128
_GIVING_PAUSE_SECONDS = 0.005
_LEAST_SPARE_PAGES, _SPARE_SHARE = 256, 0.05
"""What stays free is soon taken up again, which is cheaper than to let the file grow anew."""


class Database:
    """Owns the connections of one file. `write` and `read` may be called from any greenlet."""

    def __init__(
        self, path: Path, on_fatal: Callable[[BaseException], None], commits: Commits | None = None
    ) -> None:
        """Open a file.

        `on_fatal` ends the process: after a failed fsync nobody knows what the file holds.
        `commits` notes beside the file how far it has got.
        """
        self.path = path
        self._commits = commits
        self._on_fatal = on_fatal
        self._is_closed = False
        self._is_writer_busy = False
        """Whether a transaction or a checkpoint of the connection that writes is under way."""

        self._noted: set[tuple[WakeupKind, str]] = set()
        self._listener: Callable[[WakeupKind, str], None] = lambda _kind, _key: None

        self._committer = WorkerThread()
        self._group_commit = GroupCommit(
            self._commit_batch,
            self._committer,
            lambda: commits is not None and commits.wants_checkpoint,
            self.checkpoint,
        )
        self._long_readers = ThreadPool(_MOST_LONG_READERS)
        self._long_searches = FairSemaphore("long searches", _MOST_LONG_READERS, _MOST_LONG_WAITING)

        self._writer = open_connection(path)
        self._reader = open_connection(path, is_reader=True)
        if commits:
            commits.attach(self._writer)

    def write(
        self, work: Callable[[Connection], T], besides: Callable[[], None] | None = None
    ) -> T:
        """Run a unit of work and answer once it is durable.

        What `work` raises reaches the caller after its own changes alone were undone. Raises
        Unavailable when the disk is full or the database is closed. `work` holds the event loop: it
        is short, and waits for nothing.

        `besides` is called where `work` raised nothing, while the disk is waited for: after all of
        `work`, and before any other greenlet has its turn. So it is before anybody can see what
        `work` has changed, but perhaps of something that is undone, or lost with the machine. It
        waits for nothing, and raises nothing.
        """
        if self._is_closed:
            raise Unavailable("the server is shutting down")

        unit = Accompanied(work, besides) if besides else work
        return cast("T", self._group_commit.run(unit))

    @property
    def is_free(self) -> bool:
        """Whether `write_unsynced` would wait for nobody."""
        return self._group_commit.is_free and not self._is_closed

    def write_unsynced(self, work: Callable[[Connection], T]) -> T:
        """Run a unit of work as `write` does, without waiting for the disk, if it is free.

        All see the change at once, and it outlives this process; the end of the machine only once
        `sync`, or a `write` that began later, has returned. Not for a database with `commits`.
        """
        assert self._commits is None
        if not self.is_free:
            return self.write(work)

        # SQLite takes this up when it prepares the statement, so that none may be kept prepared.
        # What folds the write-ahead log in would wait for the disk: that is left for who does.
        self._writer.execute("PRAGMA synchronous = NORMAL", can_cache=False)
        self._writer.wal_autocheckpoint(0)
        try:
            [(value, failure)] = self._commit([work], waits_for_disk=False)
        finally:
            self._writer.wal_autocheckpoint(_CHECKPOINT_FRAMES)
            self._writer.execute("PRAGMA synchronous = FULL", can_cache=False)
        if failure is not None:
            raise failure
        return cast("T", value)

    def sync(self) -> None:
        """Wait until all that was written up to now is durable. Raises as `write` does."""
        self.write(touch)

    def write_unchecked(self, work: Callable[[Connection], T]) -> T:
        """Run a unit of work as `write` does, apart from others, without looking up references.

        For the removal of an org alone, which removes all that refers too: looking that up would
        walk through whole tables where no index leads to it. `work` removes what refers before what
        is referred to: with one reference to nothing, the database counts as damaged.
        """
        return cast("T", self.write(Unchecked(work)))

    def _commit_batch(self, units: list[Unit]) -> list[Outcome]:
        is_unchecked = isinstance(units[0], Unchecked)
        return self._commit_unchecked(units) if is_unchecked else self._commit(units)

    def _commit_unchecked(self, units: list[Unit]) -> list[Outcome]:
        self._writer.execute("PRAGMA foreign_keys = OFF")
        try:
            return self._commit(units)
        finally:
            self._writer.execute("PRAGMA foreign_keys = ON")

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the file, as far as no reader needs it.

        Nothing may be written meanwhile. If there is no room, it is left for later.
        """
        self._is_writer_busy = True
        try:
            if self._commits:
                self._committer.run(self._commits.checkpoint, self._writer)
        except apsw.IOError as error:
            self._on_fatal(error)
        except apsw.Error:
            log.exception(
                "the write-ahead log cannot be folded in", extra={"database": self.path.name}
            )
        finally:
            self._is_writer_busy = False

    def _commit(self, units: list[Unit], *, waits_for_disk: bool = True) -> list[Outcome]:
        """Run every unit in its savepoint, with one commit for all; return the outcome of each.

        One that does not wait for the disk is over before any other greenlet has its turn.
        """
        self._is_writer_busy = True
        try:
            before = self._writer.total_changes()
            self._begin()
            outcomes = [self._run_first(units[0])]
            outcomes += [run_unit(self._writer, unit) for unit in units[1:]]

            is_of_nothing = self._writer.total_changes() == before and not (
                _release_pages in units or touch in units
            )
            if is_of_nothing or not waits_for_disk:
                self._writer.execute("COMMIT")
            else:
                self._wait_for_disk(units, outcomes)
            if self._commits:
                self._commits.committed()
            self._tell_noted()
        except apsw.FullError:
            self._roll_back()
            error = Unavailable(
                "the server's disk is full", hint="Free some space; nothing was changed."
            )
            return [(None, error) for _ in units]
        except apsw.IOError as error:
            self._on_fatal(error)
            raise
        except apsw.Error:
            self._roll_back()
            raise
        finally:
            self._is_writer_busy = False

        return outcomes

    def _begin(self) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        if self._commits:
            self._commits.begin(self._writer)

    def _run_first(self, unit: Unit) -> Outcome:
        """Run the first unit of a transaction, which the whole of it undoes: mostly it is alone.

        A savepoint for it would cost a copy of each page that it changes.
        """
        outcome = run_bare(self._writer, unit)
        if outcome[1] is not None:
            self._roll_back()
            self._begin()
        return outcome

    def _wait_for_disk(self, units: list[Unit], outcomes: list[Outcome]) -> None:
        """Commit in the thread, and do here what goes besides."""
        committing = self._committer.begin(self._writer.execute, "COMMIT")
        try:
            for unit, (_, failure) in zip(units, outcomes, strict=True):
                if isinstance(unit, Accompanied) and failure is None:
                    self._do_besides(unit)
        finally:
            self._committer.result(committing)

    @staticmethod
    def _do_besides(unit: Accompanied) -> None:
        try:
            unit.besides()
        except Exception:  # a defect, which is nobody else's in this commit
            log.exception("what goes besides a commit failed")

    def listen(self, listener: Callable[[WakeupKind, str], None]) -> None:
        """Have `listener` told, once it is durable, of each thing that there is to look at.

        It holds up the answers to those who wait for the commit, and raises nothing. Called once.
        """
        self._listener = listener
        self.write(lambda db: wakeups.install(db, lambda *note: self._noted.add(note)))

    def _tell_noted(self) -> None:
        noted, self._noted = self._noted, set()
        for kind, key in noted:
            self._listener(kind, key)

    def _roll_back(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run a query on a snapshot of its own; it never waits for the writer.

        Raises Unavailable when the database is closed. Like a unit of work, `query` holds the event
        loop.
        """
        if self._is_closed:
            raise Unavailable("the server is shutting down")
        # The connection that writes has the pages at hand; another one's are void after a commit.
        return in_snapshot(self._reader if self._is_writer_busy else self._writer, query)

    def version(self) -> int:
        """Return a number that changes with every commit, of this process or of another.

        It costs a look at the shared memory of the write-ahead log. Raises as `read`.
        """
        if self._is_closed:
            raise Unavailable("the server is shutting down")
        return int(fetch_value(self._reader, "PRAGMA data_version", {}))

    def read_long(self, query: Callable[[Connection], T], org_id: str = "") -> T:
        """Run a query that takes long, in a thread and on a connection of its own; a few at a time.

        None holds the loop. Those that wait are served by turns of the orgs for which they are
        asked ("": the server itself), so that none waits for all that another has asked. `query`
        may touch nothing else that the event loop uses. Raises TooManyRequests where too many of
        that org wait.
        """
        if self._is_closed:
            raise Unavailable("the server is shutting down")
        with self._long_searches.slot(org_id):
            return cast("T", run_in(self._long_readers, self._read_apart, query))

    def _read_apart(self, query: Callable[[Connection], T]) -> T:
        connection = open_connection(self.path, is_reader=True)
        try:
            return in_snapshot(connection, query)
        finally:
            connection.close()

    def release_free_space(self) -> None:
        """Return empty pages to the disk, a few at a time; some stay for what comes next.

        Only a file that was made so can do that (see `migrations.compact`); of another one they are
        only used again.
        """
        while self.read(_has_free_pages):
            self.write(_release_pages)
            gevent.sleep(_GIVING_PAUSE_SECONDS)

        if self._commits:
            self._commits.ask_for_checkpoint()
            self.write(lambda _: None)
        else:
            run_in(self._long_readers, self._checkpoint_apart)

    def _checkpoint_apart(self) -> None:
        """Fold the WAL into the file, as far as nobody reads: only then does the file shrink."""
        connection = open_connection(self.path)
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        finally:
            connection.close()

    def close(self) -> None:
        """Wait for what is under way, fold the WAL into the file and close.

        Further calls raise Unavailable.
        """
        if self._is_closed:
            return
        self._is_closed = True

        self._group_commit.finish()

        self._reader.close()
        try:
            if self._commits:
                self._commits.anchor(self._writer)
        finally:
            self._writer.close()
            self._committer.close()
            self._long_readers.kill()


def _has_free_pages(db: Connection) -> bool:
    if db.pragma("auto_vacuum") == 0:
        return False
    spare = max(_LEAST_SPARE_PAGES, _SPARE_SHARE * cast("int", db.pragma("page_count")))
    return bool(cast("int", db.pragma("freelist_count")) > spare)


def _release_pages(db: Connection) -> None:
    db.execute(f"PRAGMA incremental_vacuum({_PAGES_AT_ONCE})").fetchall()
