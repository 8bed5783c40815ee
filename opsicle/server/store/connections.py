"""Connections to SQLite files, as all of the server opens them."""

from __future__ import annotations

from pathlib import Path

import apsw
from apsw import Connection

_MOST_WAL_BYTES = 16 * 1024 * 1024
"""What a large transaction has left of the WAL beyond this is cut off at the next checkpoint."""

_WRITER_STATEMENTS, _READER_STATEMENTS = 600, 100
"""How many of the statements last *used* stay prepared, each time counted anew. Several jobs go
side by side, each through many: at APSW's own 100, each prepared its longest anew."""


def open_connection(path: Path, *, is_reader: bool = False) -> Connection:
    """Open with the pragmas that durability and speed depend on."""
    kept = _READER_STATEMENTS if is_reader else _WRITER_STATEMENTS
    connection = Connection(str(path), statementcachesize=kept)
    connection.set_busy_timeout(10_000)

    # Without this a statement whose parameters could decide about a partial index is prepared anew
    # at every call.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)

    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA journal_size_limit = {_MOST_WAL_BYTES}")
    connection.execute("PRAGMA cache_size = -1500")
    if is_reader:
        connection.execute("PRAGMA query_only = ON")
    else:
        # What a savepoint would restore is kept in memory: beyond 64 KiB it would go into a file.
        connection.execute("PRAGMA temp_store = MEMORY")
    return connection
