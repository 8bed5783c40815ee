"""Power cuts at every sync of a database, on a disk that tears and reorders what is not synced."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from opsicle.server.store import commits
from opsicle.server.store.commits import Commits
from opsicle.server.store.database import Database
from tests.services.recording_disk import Disk
from tests.support import SCALE

TRANSACTIONS = 100
CUTS_AT_A_SYNC = max(1, round(2 * SCALE))
TABLES = tuple(f"{name} (n INTEGER PRIMARY KEY, filler BLOB)" for name in ("first", "second"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Return a disk that is new, with a database on it that knows no transaction yet."""
    disk = Disk()
    made = apsw.Connection(str(tmp_path / "d.db"))
    made.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
    for table in ("settings (name TEXT PRIMARY KEY, value TEXT)", *TABLES):
        made.execute(f"CREATE TABLE {table} STRICT")
    made.close()
    yield disk
    apsw.set_default_vfs("unix")
    disk.unregister()


def test_no_power_cut_loses_what_was_acknowledged_or_leaves_half_of_it(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "CHECKPOINT_FRAMES", 40)  # so that some cuts meet a checkpoint
    chance = random.Random(11)
    acknowledged, cuts = 0, 0

    def cut() -> None:
        nonlocal cuts
        for _ in range(CUTS_AT_A_SYNC):
            cuts += 1
            _check(disk.after_power_cut(chance, tmp_path / f"cut-{cuts}"), acknowledged)

    disk.on_sync = cut
    database = Database(tmp_path / "d.db", _fail, Commits(tmp_path / "commits"))

    for number in range(1, TRANSACTIONS + 1):
        filler = chance.randbytes(chance.choice([10, 3_000, 20_000]))
        database.write(lambda db, n=number, filler=filler: _insert(db, n, filler))
        acknowledged = number
        cut()
    database.close()

    assert disk.syncs > TRANSACTIONS + 10, "no checkpoint was met"
    assert cuts >= 2 * TRANSACTIONS


def _insert(db: apsw.Connection, number: int, filler: bytes) -> None:
    for table in ("first", "second"):
        db.execute(f"INSERT INTO {table} VALUES (?, ?)", (number, filler))


def _check(path: Path, acknowledged: int) -> None:
    """Open what a cut has left as a server would, and compare it with what was acknowledged."""
    db = apsw.Connection(str(path), vfs="unix")
    assert list(db.execute("PRAGMA integrity_check")) == [("ok",)]
    first, second = (
        [row[0] for row in db.execute(f"SELECT n FROM {table} ORDER BY n")]
        for table in ("first", "second")
    )
    db.close()
    assert first == second, "half of a transaction is there"
    assert first == list(range(1, len(first) + 1))
    assert acknowledged <= len(first) <= acknowledged + 1


def _fail(error: BaseException) -> None:
    raise error
