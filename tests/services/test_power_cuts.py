"""Power cuts at every sync of a database, on a disk that tears and reorders what is not synced."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from opsicle.server.store import commits
from opsicle.server.store.commits import Commits
from opsicle.server.store.database import Database
from tests.support import SCALE

TRANSACTIONS = 100
CUTS_AT_A_SYNC = max(1, round(2 * SCALE))
TABLES = tuple(f"{name} (n INTEGER PRIMARY KEY, filler BLOB)" for name in ("first", "second"))
SECTOR = 512
"""What a disk writes whole."""


class Disk(apsw.VFS):
    """Keeps what was synced of each file, and what was written since, which may get lost."""

    def __init__(self) -> None:
        super().__init__("recording", "unix", makedefault=True)
        self.durable: dict[str, bytearray] = defaultdict(bytearray)
        self.pending: dict[str, list[tuple[int, bytes | None]]] = defaultdict(list)
        self.syncs = 0
        self.on_sync = lambda: None

    def xOpen(self, name, flags):  # noqa: N802 - as SQLite calls it
        return RecordedFile(self, name, flags)

    def xDelete(self, name, sync_folder):  # noqa: N802
        super().xDelete(name, sync_folder)
        self.durable.pop(Path(name).name, None)
        self.pending.pop(Path(name).name, None)

    def note(self, name: str, offset: int, content: bytes | None) -> None:
        self.pending[Path(name).name].append((offset, content))

    def sync(self, name: str) -> None:
        """Let the power fail before a sync ends, and just after it."""
        self.syncs += 1
        self.on_sync()
        name = Path(name).name
        for change in self.pending.pop(name, []):
            _apply(self.durable[name], *change)
        self.on_sync()

    def after_power_cut(self, chance: random.Random, folder: Path) -> Path:
        """Write what a disk might hold now, and return the database's path."""
        folder.mkdir()
        for name in {*self.durable, *self.pending}:
            content = bytearray(self.durable[name])
            sectors = [part for change in self.pending[name] for part in _torn(*change)]
            kept = [part for part in sectors if chance.random() < chance.choice([0.1, 0.5, 0.95])]
            chance.shuffle(kept)
            for part in kept:
                _apply(content, *part)
            (folder / name).write_bytes(content)
        return folder / "d.db"


class RecordedFile(apsw.VFSFile):
    """A file that is written and synced as ever, and tells the disk so."""

    def __init__(self, disk: Disk, name, flags) -> None:
        self._disk = disk
        self._name = name.filename() if isinstance(name, apsw.URIFilename) else name
        super().__init__("unix", name, flags)

    def xWrite(self, content, offset):  # noqa: N802
        self._disk.note(self._name, offset, bytes(content))
        super().xWrite(content, offset)

    def xTruncate(self, size):  # noqa: N802
        self._disk.note(self._name, size, None)
        super().xTruncate(size)

    def xSync(self, flags):  # noqa: N802
        super().xSync(flags)
        self._disk.sync(self._name)


def _torn(offset: int, content: bytes | None) -> Iterator[tuple[int, bytes | None]]:
    """Yield a write's sectors; a truncation is one thing."""
    if content is None:
        yield offset, None
        return
    for begin in range(0, len(content), SECTOR):
        yield offset + begin, content[begin : begin + SECTOR]


def _apply(file: bytearray, offset: int, content: bytes | None) -> None:
    if content is None:
        del file[offset:]
        return
    file.extend(bytes(max(0, offset - len(file))))
    file[offset : offset + len(content)] = content


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
