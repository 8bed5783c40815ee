"""What the newest state of a server is, in a small file beside its databases.

So that less is never taken for it.

A database that is gone, empty, older, or without the end of its write-ahead log looks like any
other. The marker says what there must be: the epoch, the schema, and how far each org's audit
record has got, written durably within seconds of a change and at every stop. What happened after it
was written is noted at each commit (`store/commits.py`).
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from gevent.threadpool import ThreadPool

from opsicle.kit import files
from opsicle.kit.clock import Clock
from opsicle.server.store import audit, epochs, org_removals
from opsicle.server.store.commits import Commits, MinimumState
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.epochs import Epoch
from opsicle.server.store.inspection import DatabaseInspection, Heads, inspect, open_untouched
from opsicle.server.threads import run_in

MARKER, COMMITS = "marker.json", "marker.commits"
_FIRST_WITH_REMOVALS = 63
"""The schema since which orgs can be removed."""


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """The state as it was when this was written.

    `is_beginning`: the very first start has not come to its end, so that nothing can be missing
    yet. `database` is the number of the database's file in its file system: a copy has another one,
    unless it was made after the file was removed, whose number is then free. So
    `database_born_at_ns` is when the file was made, 0 where nobody knows. `generation` is how far
    the commits had been noted, so that their note cannot be an earlier one either.
    """

    format: int = 1
    is_beginning: bool = False
    epoch: int = 0
    epoch_id: str = ""
    schema: int = 0
    heads: Heads = {}
    database: int = 0
    database_born_at_ns: int = 0
    generation: int = 0
    written_at: datetime


class MissingState(msgspec.Struct, frozen=True):
    """How a data folder holds less than its marker says.

    `reasons` say it in words, `entries` how many each org's record lacks, for the record.
    """

    reasons: tuple[str, ...] = ()
    epoch: int = 0
    """The newest that is known of."""

    entries: dict[str, int] = {}


def read(folder: Path) -> Marker | None:
    """Return the marker of a data folder, or None. Raises ValueError if it cannot be read."""
    try:
        return msgspec.json.decode((folder / MARKER).read_bytes(), type=Marker)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from error


def begin(folder: Path, now: datetime) -> None:
    """Note that the first start of a new folder is under way."""
    files.replace(folder / MARKER, msgspec.json.encode(Marker(is_beginning=True, written_at=now)))


def compare(folder: Path, database: Path, *, has_keys: bool) -> MissingState:
    """Return what is missing of the newest state that is known.

    `has_keys`: the folder holds keys of a server that has run.

    Raises as `store/inspection.py` for a database that cannot be read.
    """
    try:
        marker = read(folder)
    except ValueError:
        return MissingState((f"{MARKER} cannot be read",), _epoch_in(database))
    if marker and marker.is_beginning:
        return MissingState()
    if not database.exists() or database.stat().st_size == 0:
        is_missed = marker or has_keys
        return MissingState(
            (f"{database.name} is missing or empty",) if is_missed else (),
            marker.epoch if marker else 0,
        )

    connection = open_untouched(database)
    try:
        found = inspect(connection, database)
        return _compare(connection, found, marker, Commits.read(folder / COMMITS), database)
    finally:
        connection.close()


def _epoch_in(database: Path) -> int:
    if not database.exists() or database.stat().st_size == 0:
        return 0
    connection = open_untouched(database)
    try:
        epoch = inspect(connection, database).epoch
    finally:
        connection.close()
    return epoch.number if epoch else 0


def _compare(
    connection: Connection,
    found: DatabaseInspection,
    marker: Marker | None,
    noted: MinimumState | None,
    database: Path,
) -> MissingState:
    if marker is None:
        # Older versions kept no marker: what they have left is taken as it is.
        reasons = (f"{MARKER} is missing: this is a copy, or a part of one",) if found.epoch else ()
        return MissingState(reasons, found.epoch.number if found.epoch else 0)

    epoch = found.epoch or Epoch(0, "")
    entries = {
        org_id: seq - found.heads.get(org_id, (0, ""))[0]
        for org_id, (seq, _) in marker.heads.items()
        if found.heads.get(org_id, (0, ""))[0] < seq
    }
    if entries and found.schema >= _FIRST_WITH_REMOVALS:
        for org_id in org_removals.list_recorded(connection):
            entries.pop(org_id, None)  # gone with its org, since the marker was written
            marker.heads.pop(org_id, None)
    lacking = (
        *_of_epochs(epoch, marker, found.known_epoch),
        *_of_files(found, marker, noted, database),
        *_of_entries(connection, found, marker, entries),
    )
    return MissingState(lacking, max(epoch.number, marker.epoch, found.known_epoch), entries)


def _of_epochs(epoch: Epoch, marker: Marker, known: int) -> Iterator[str]:
    if known >= max(epoch.number, 1):
        yield f"a worker has worked for epoch {known} of this server, and this is an older copy"
    if epoch.number < marker.epoch:
        yield f"the database is of epoch {epoch.number}, older than {marker.epoch}"
    elif epoch.number == marker.epoch and epoch.id != marker.epoch_id:
        yield f"the database is another server's, with which this one shares epoch {epoch.number}"


def _of_files(
    found: DatabaseInspection, marker: Marker, noted: MinimumState | None, database: Path
) -> Iterator[str]:
    if found.schema < marker.schema:
        yield f"the database has schema {found.schema}, older than {marker.schema}"
    if found.at.generation - found.file_generation > 1:
        yield f"{database.name} is older than {database.name}-wal beside it"
    if found.file_generation > found.at.generation:
        yield f"{database.name}-wal is older than {database.name} beside it"

    yield from _of_note(found, marker, noted, database.name)
    if _is_copy(marker, database):
        yield f"{database.name} is a copy, not the file that the server has written"


def _of_note(
    found: DatabaseInspection, marker: Marker, noted: MinimumState | None, name: str
) -> Iterator[str]:
    if noted is None:
        yield f"{COMMITS} is missing or cannot be read"
    elif noted.generation < marker.generation:
        yield f"{COMMITS} is older than {MARKER} beside it"
    elif found.at.generation < noted.generation:
        yield f"{name} is older than what was acknowledged last"
    elif (
        found.at.generation == noted.generation
        and found.at.frames < noted.frames
        and not _is_folded(found, noted)
        and not _has_begun_anew(found, noted)
    ):
        yield f"the end of {name}-wal is missing, and with it what was acknowledged last"


def _is_copy(marker: Marker, database: Path) -> bool:
    if database.stat().st_ino != marker.database:
        return True
    born_at_ns = files.born_at_ns(database) if marker.database_born_at_ns else 0
    return bool(born_at_ns and born_at_ns != marker.database_born_at_ns)


def _is_folded(found: DatabaseInspection, noted: MinimumState) -> bool:
    """Return whether the whole log stands in the file, so that the file needs no log beside it."""
    return found.file_generation == noted.generation and not noted.is_folding


def _has_begun_anew(found: DatabaseInspection, noted: MinimumState) -> bool:
    """Return whether the log is a later one, before which the whole of it was folded in."""
    return found.at.log_number > noted.log_number >= 0


def _of_entries(
    connection: Connection, found: DatabaseInspection, marker: Marker, entries: dict[str, int]
) -> Iterator[str]:
    if entries:
        orgs = "an org" if len(entries) == 1 else f"{len(entries)} orgs"
        yield f"{sum(entries.values())} entries of the audit record of {orgs} are missing"
    others = [
        org_id
        for org_id, (seq, digest) in marker.heads.items()
        if org_id not in entries and not found.has_entry(connection, org_id, seq, digest)
    ]
    if others:
        yield f"the audit record of {len(others)} of the orgs is another one"


class StateMarker:
    """Keeps the marker of a running server up to date."""

    def __init__(self, folder: Path, database: Database, commits: Commits, clock: Clock) -> None:
        self._pool = ThreadPool(1)
        self._path = folder / MARKER
        self._database = database
        self._commits = commits
        self._clock = clock
        self._written: Marker | None = None
        self._created_at_ns = files.born_at_ns(database.path)

    def write(self) -> None:
        """Write the marker if the state has changed since.

        Waits for the disk, in a thread. Raises OSError.
        """
        marker = self._database.read(self._now)
        if (
            self._written
            and msgspec.structs.replace(marker, written_at=self._written.written_at)
            == self._written
        ):
            return
        run_in(self._pool, self._put, marker)
        self._written = marker

    def _put(self, marker: Marker) -> None:
        self._commits.sync()
        files.replace(self._path, msgspec.json.encode(marker))

    def close(self) -> None:
        """End the thread."""
        self._pool.kill()

    def _now(self, db: Connection) -> Marker:
        epoch = epochs.find(db) or Epoch(0, "")
        return Marker(
            epoch=epoch.number,
            epoch_id=epoch.id,
            schema=int(db.pragma("user_version")),
            heads=audit.list_heads(db),
            database=self._database.path.stat()[stat.ST_INO],
            database_born_at_ns=self._created_at_ns,
            generation=self._commits.noted_generation,
            written_at=self._clock.now(),
        )
