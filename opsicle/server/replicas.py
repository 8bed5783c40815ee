"""What a replica of the databases holds, in a folder to which Litestream copies.

It writes a file for each time that it has copied something, in the format LTX
(https://github.com/superfly/ltx); the header says up to where in the write-ahead log that went. The
newest of the first level is always kept. So the end of the log can be compared with it, whatever
clocks say. SQLite's own part: https://sqlite.org/fileformat2.html#the_write_ahead_log
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import NamedTuple

DATABASES = ("opsicle.db", "logs.db")

LATE_SECONDS = 120.0
"""Behind by more than this is told. Litestream copies each second."""

BEAT_SECONDS = 30.0
"""How often a server that knows of a replica writes something, so that one which stands still can
be told from one to which nothing was written."""

_NAME = re.compile(r"[0-9a-f]{16}-([0-9a-f]{16})\.ltx")
_HEADER = struct.Struct(">4s28xQ8xQQ8s")
_MAGIC = b"LTX1"
_LOG_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
_SALTS_OF_LOG, _SALTS_OF_FRAME = slice(16, 24), slice(8, 16)


class Piece(NamedTuple):
    """What was copied last: the number of its transaction, when it was, and up to where."""

    number: int
    at: float
    """In Unix time, by the clock of the machine that copies."""
    end: int
    """The first byte of the write-ahead log behind it."""
    salts: bytes
    """Of the write-ahead log at that time: SQLite changes them when it begins the log anew."""


def find_newest(replica: Path, database: str) -> Piece | None:
    """Return what was copied last of a database, None if nothing is there.

    Raises OSError, or ValueError for a file that is not of this format.
    """
    level = replica / database / "ltx" / "0"
    try:
        with os.scandir(level) as found:
            names = [match for each in found if (match := _NAME.fullmatch(each.name))]
    except FileNotFoundError:
        return None
    if not names:
        return None
    newest = max(names, key=lambda match: match[1])
    with (level / newest[0]).open("rb") as file:
        header = file.read(_HEADER.size)
    if len(header) < _HEADER.size or not header.startswith(_MAGIC):
        raise ValueError(f"{newest[0]} is no LTX file that this program knows")
    _, at_ms, offset, size, salts = _HEADER.unpack(header)
    return Piece(int(newest[1], 16), at_ms / 1000, offset + size, salts)


def has_more(database: Path, piece: Piece) -> bool:
    """Return whether a database has what was written behind a piece.

    Without a write-ahead log, as after a clean stop, the time at which the file was changed has to
    do. Raises OSError.
    """
    try:
        with Path(f"{database}-wal").open("rb") as log:
            header = log.read(_LOG_HEADER_BYTES)
            log.seek(piece.end)
            frame = log.read(_FRAME_HEADER_BYTES)
    except FileNotFoundError:
        header = frame = b""
    if len(header) < _LOG_HEADER_BYTES:
        return database.stat().st_mtime > piece.at
    if header[_SALTS_OF_LOG] != piece.salts:
        return True
    return frame[_SALTS_OF_FRAME] == piece.salts
