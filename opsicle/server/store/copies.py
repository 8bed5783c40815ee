"""Copying a database that is in use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from opsicle.domain.errors import Unavailable
from opsicle.server.store.inspection import open_untouched
from opsicle.server.store.integrity import readable

_PAGES_AT_ONCE = 1_000
"""Some milliseconds, after which one hears how far it has got."""


def copy_database(database: Path, to: Path, on_progress: Callable[[float], None]) -> None:
    """Write what a database holds at one moment into a new file, by SQLite's backup API.

    Whoever writes to it goes on meanwhile, in this process or another; its write-ahead log grows
    until the copy is done. `on_progress` hears which share is. The copy is not durable. Raises
    Conflict for a file that cannot be used, and Unavailable where there is no room.
    """
    with (
        _room_for(to),
        readable(database),
        closing(open_untouched(database)) as source,
        closing(apsw.Connection(str(to))) as target,
    ):
        target.execute("PRAGMA synchronous = OFF")

        # In a transaction, all steps see one moment: without it each change begins them anew.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        with target.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(_PAGES_AT_ONCE)
                on_progress(1 - backup.remaining / max(1, backup.page_count))
        source.execute("ROLLBACK")


@contextmanager
def _room_for(copy: Path) -> Iterator[None]:
    try:
        yield
    except apsw.FullError as error:
        raise Unavailable(
            f"the disk under {copy.parent} has no room for a copy of {copy.name}",
            hint="Make room.",
        ) from error
