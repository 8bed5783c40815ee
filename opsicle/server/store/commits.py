"""How far the database has got, noted beside it so that a start can tell when it has less.

The note is two numbers in a file of their own, written before anybody is answered and without
waiting for the disk: a process that dies loses none of it, and a power cut may at most leave older
numbers, which ask for less.

- The *generation* is a number in the database that grows whenever its write-ahead log has been
  folded into the file. A file and a log belong together if the log's is the same or one more: so
  one of them cannot be another, older one.
- *Frames* is how long the log was. A log that is shorter has lost its end, or is another's; save
  where the whole of it has been folded in, by somebody who looked into the database with a tool of
  their own, say.
- The *log's number* is one that SQLite raises when it begins the log anew, which it does only once
  the whole of it stands in the file. So a shorter log with a later number has lost nothing: a
  program that replicates the database has folded it in, say, while no server ran.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import apsw

from opsicle.kit import files
from opsicle.server.store import settings

CHECKPOINT_FRAMES = 1000
"""Pages in the write-ahead log (4 MB) from which on it is folded into the file.

It is SQLite's own default.
"""

_GENERATION = "generation"
_WIDTH = 19

NO_LOG = -1
_LOG_HEADER_BYTES = 32
_LOG_NUMBER_AT = 12
"""Of the write-ahead log's header, see "WAL Header Format" of https://sqlite.org/fileformat2.html"""


class MinimumState(NamedTuple):
    """What a database must have at least."""

    generation: int = 0
    frames: int = 0
    is_folding: int = 0
    """Whether a part of the log may stand in the file, so that the file alone is nothing whole."""

    log_number: int = NO_LOG
    """Which log it is; NO_LOG where there is none, or where an older version has noted this."""


class Commits:
    """Keeps the note of one database up to date.

    Owned by its `Database`, which calls it around every commit.
    """

    def __init__(self, path: Path) -> None:
        """Open the note, made if absent. Raises OSError."""
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        files.give_away(self._fd, path.parent.stat())
        self._generation = self._frames = 0
        self._is_due = True
        self._is_asked = False
        self._is_folding = 0
        self._log_fd: int | None = None
        self._log_number = NO_LOG
        self._noted = MinimumState()
        self.noted_generation = 0
        """That of the latest note that could be written."""

    @staticmethod
    def read(path: Path) -> MinimumState | None:
        """Return what was noted last, or None if there is nothing that can be read."""
        try:
            generation, frames, *more = map(int, path.read_bytes().split())
            return MinimumState(generation, frames, *more)
        except (OSError, ValueError, TypeError):
            return None

    def attach(self, writer: apsw.Connection) -> None:
        """Follow this connection, the only one that writes."""
        self._generation = generation_of(writer)
        self.checkpoint(writer)
        writer.set_wal_hook(self._see)  # this also ends SQLite's own way of folding the log in

    def begin(self, writer: apsw.Connection) -> None:
        """Begin the next generation if it is time, in a transaction before its first change."""
        if self._is_due:
            settings.put(writer, _GENERATION, str(self._generation + 1))

    def committed(self) -> None:
        """Note what is durable now, before anybody hears of it."""
        if self._is_due:
            self._generation, self._is_due = self._generation + 1, False
        self._note_now()

    @property
    def wants_checkpoint(self) -> bool:
        """Whether the log has grown so long that it should be folded in."""
        return self._is_asked or (self._frames >= CHECKPOINT_FRAMES and not self._is_due)

    def ask_for_checkpoint(self) -> None:
        """Let the log be folded in after the next commit, however short it is."""
        self._is_asked = True

    def checkpoint(self, writer: apsw.Connection) -> None:
        """Fold the log into the file, as far as no reader needs it.

        To be called outside a transaction. It waits for the disk.
        """
        self._is_asked = False
        self._is_folding = 1
        self._note_now()

        done = writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        is_busy, frames, folded = done or (1, 0, 0)

        self._is_due = not is_busy and frames == folded
        if self._is_due:
            self._is_folding = 0
            self._note_now()

    def anchor(self, writer: apsw.Connection) -> None:
        """Let the next generation begin now, of which no frames are asked.

        To be called at the start, and at a clean stop, before the database is opened or closed by
        others, who may fold the log in and remove it. Raises apsw.Error.
        """
        self._generation = generation_of(writer)
        self.checkpoint(writer)

        if self._is_due and _has_settings(writer):
            writer.execute("BEGIN IMMEDIATE")
            self.begin(writer)
            writer.execute("COMMIT")
            self._generation += 1

        self._note(MinimumState(self._generation, 0))
        self.sync()

    def sync(self) -> None:
        """Let the note outlive a power cut. Raises OSError."""
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Give the files up."""
        os.close(self._fd)
        if self._log_fd is not None:
            os.close(self._log_fd)

    def _see(self, connection: apsw.Connection, _name: str, frames: int) -> int:
        """Learn how long the log is, and which: it is the same file for as long as it is open."""
        if self._log_fd is None:
            self._log_fd = os.open(connection.filename_wal, os.O_RDONLY | os.O_CLOEXEC)
        self._frames = frames
        self._log_number = _number_in(os.pread(self._log_fd, _LOG_HEADER_BYTES, 0))
        return apsw.SQLITE_OK

    def _note_now(self) -> None:
        self._note(MinimumState(self._generation, self._frames, self._is_folding, self._log_number))

    def _note(self, now: MinimumState) -> None:
        if now == self._noted:
            return
        with suppress(OSError):  # it then asks for less than it could
            line = b"%0*d %0*d %d %0*d\n" % (
                *(_WIDTH, now.generation, _WIDTH, now.frames),
                *(now.is_folding, _WIDTH, now.log_number),
            )
            os.pwrite(self._fd, line, 0)
            self.noted_generation = now.generation
        self._noted = now


def generation_of(connection: apsw.Connection) -> int:
    """Return the generation of what a connection sees; 0 in a database that has none yet."""
    value = settings.find(connection, _GENERATION) if _has_settings(connection) else None
    return int(value) if value and value.isdecimal() else 0


def _has_settings(connection: apsw.Connection) -> bool:
    return (
        connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'settings'").fetchone()
        is not None
    )


def log_number_of(log: Path) -> int:
    """Return the number of a write-ahead log; NO_LOG where there is none that has begun."""
    try:
        with log.open("rb") as file:
            return _number_in(file.read(_LOG_HEADER_BYTES))
    except OSError:
        return NO_LOG


def _number_in(header: bytes) -> int:
    if len(header) < _LOG_HEADER_BYTES:
        return NO_LOG
    return int.from_bytes(header[_LOG_NUMBER_AT : _LOG_NUMBER_AT + 4], "big")
