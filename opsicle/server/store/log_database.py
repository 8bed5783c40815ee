"""The database of logs, which may be lost.

When it is damaged it is set aside, and a new one takes its place.

Logs are worth keeping, and never worth stopping for: a job runs, ends and is shown whatever has
become of its output. So what cannot be opened or read is renamed (`logs.db.damaged-…`, for whoever
wants to save something of it), and the server goes on with an empty file, in which it stands that
and when that happened.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import apsw
from gevent.lock import RLock

from opsicle.domain.errors import Conflict, Unavailable
from opsicle.kit import files
from opsicle.server.store import logs, migrations
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.integrity import check_integrity

log = logging.getLogger(__name__)

T = TypeVar("T")

CHECKED_BYTES = 64 * 1024 * 1024
"""A file up to this size is checked whole at the start, in a tenth of a second.

The damage of a larger one is found when it is met.
"""

_MOST_REPLACED = 3
"""New files in a row that are made where each is damaged at once."""

_DAMAGE = (apsw.CorruptError, apsw.NotADBError, apsw.CantOpenError)


class LogDatabase:
    """Reads and writes as `Database` does.

    `on_lost` hears why whenever a file has been lost.
    """

    def __init__(
        self,
        path: Path,
        on_fatal: Callable[[BaseException], None],
        now: Callable[[], datetime],
        on_lost: Callable[[str], None],
    ) -> None:
        self.path = path
        self._on_lost = on_lost
        self._on_fatal = on_fatal
        self._now = now
        self._is_closed = False
        self._database: Database | None = None
        self._replacing = RLock()
        """Held while a file is set aside, so that whoever else finds the damage waits for the new
        one and makes no other."""

    @classmethod
    def open(
        cls,
        path: Path,
        on_fatal: Callable[[BaseException], None],
        now: Callable[[], datetime],
        on_lost: Callable[[str], None],
        *,
        is_expected: bool = False,
    ) -> LogDatabase:
        """Open the file, or a new one in its place.

        `is_expected` says that there must have been one, so that its lack is a loss. Raises
        Unavailable if no new one can be made, as on a full disk.
        """
        self = cls(path, on_fatal, now, on_lost)
        if not path.exists() or (path.is_file() and path.stat().st_size == 0):
            self._start(f"{path.name} was missing or empty" if is_expected else "")
            return self

        try:
            migrations.migrate(path, migrations.LOG_MIGRATIONS)
            if path.stat().st_size <= CHECKED_BYTES:
                check_integrity(path)
            self._database = Database(path, on_fatal)
        except (Conflict, OSError, *_DAMAGE) as error:
            self._set_aside(None, str(error))

        return self

    def read(self, query: Callable[[Connection], T]) -> T:
        """Read as `Database.read` does; what is damaged is read as empty."""
        return self._retry(lambda database: database.read(query))

    def read_long(self, query: Callable[[Connection], T], org_id: str = "") -> T:
        """Read as `Database.read_long` does; what is damaged is read as empty."""
        return self._retry(lambda database: database.read_long(query, org_id))

    def write(self, work: Callable[[Connection], T]) -> T:
        """Write as `Database.write` does; if the file is damaged, into a new one."""
        return self._retry(lambda database: database.write(work))

    def write_unsynced(self, work: Callable[[Connection], T]) -> T:
        """Write as `Database.write_unsynced` does; if the file is damaged, into a new one."""
        return self._retry(lambda database: database.write_unsynced(work))

    def read_now(self, query: Callable[[Connection], T]) -> T | None:
        """Read, and wait for nobody: None where `write_now` could not write, or in damage."""
        if self._database is None or not self._database.is_free:
            return None
        try:
            return self._database.read(query)
        except apsw.Error:
            return None

    def write_now(self, work: Callable[[Connection], bool]) -> bool:
        """Write as `Database.write_unsynced` does, and wait for nobody.

        Return what `work` does; False where nothing was written, be it that the file is damaged.
        """
        if self._database is None or not self._database.is_free:
            return False
        try:
            return self._database.write_unsynced(work)
        except (apsw.Error, Unavailable) as error:
            facts = {"file": self.path.name, "reason": str(error)}
            log.warning("a log cannot be written at once", extra=facts)
            return False

    def sync(self) -> None:
        """Wait for the disk as `Database.sync` does."""
        self._retry(lambda database: database.sync())

    def release_free_space(self) -> None:
        """Release free space as `Database.release_free_space` does."""
        self._retry(lambda database: database.release_free_space())

    def close(self) -> None:
        """Close as `Database.close` does."""
        self._is_closed = True
        if self._database:
            self._database.close()

    def _retry(self, call: Callable[[Database], T]) -> T:
        """Make a call; if that finds damage, once more with a new file."""
        database = self._database or self._current()
        try:
            return call(database)
        except _DAMAGE as error:
            self._set_aside(database, str(error))
        except Unavailable:
            if self._is_closed or self._database is database:
                raise

        # It was set aside, by this call or by another one meanwhile.
        return call(self._current())

    def _current(self) -> Database:
        with self._replacing:
            return self._database or self._start("it could not be replaced")

    def _set_aside(self, old: Database | None, reason: str) -> None:
        """Put a new file in the place of a damaged one, unless somebody else has meanwhile."""
        with self._replacing:
            if self._database is old:
                self._replace(reason)

    def _replace(self, reason: str) -> None:
        self._start(f"{self.path.name} was damaged and was set aside as {self._rename(reason)}")

    def _start(self, reason: str) -> Database:
        """Begin a new file, and another one where that is damaged as soon as it is written to."""
        for _ in range(_MOST_REPLACED):
            try:
                return self._begin(reason)
            except _DAMAGE as error:
                reason = (
                    f"{self.path.name} was damaged and was set aside as {self._rename(str(error))}"
                )
        raise Unavailable(
            f"each new {self.path.name} is damaged as soon as it is written to",
            hint="Look at the disk under the data folder, and at its file system.",
        )

    def _rename(self, reason: str) -> str:
        """Set the file aside, and return what it is called now."""
        old, self._database = self._database, None
        if old:
            with suppress(apsw.Error):
                old.close()

        name = f"{self.path.name}.damaged-{self._now():%Y%m%dT%H%M%S%f}"
        while self.path.with_name(name).exists():
            name += "-again"

        try:
            for suffix in ("", "-wal", "-shm"):
                file = self.path.with_name(f"{self.path.name}{suffix}")
                if file.exists():
                    file.rename(self.path.with_name(f"{name}{suffix}"))
            files.sync_folder(self.path.parent)
        except OSError as error:
            raise Unavailable(
                f"{self.path.name} is damaged and cannot be set aside: {error.strerror}"
            ) from error

        log.error(
            "the database of logs was damaged, and set aside",
            extra={"file": name, "reason": reason},
        )
        return name

    def _begin(self, reason: str) -> Database:
        """Make a new file. `reason` says what has become of the one before, "" if there was none.

        Raises what SQLite does where the new file is damaged, too.
        """
        try:
            migrations.migrate(self.path, migrations.LOG_MIGRATIONS)
            database = Database(self.path, self._on_fatal)
        except (apsw.Error, OSError) as error:
            raise Unavailable(
                "the database of logs cannot be made",
                hint="Make room in the data folder, or make it writable.",
            ) from error

        self._database = database
        if reason:
            at = self._now()
            database.write(lambda db: logs.insert_loss(db, at, reason))
            self._on_lost(reason)
        return database
