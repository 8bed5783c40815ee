"""A disk that tears, reorders and loses what is not synced, under SQLite."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import apsw

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

    def know(self, folder: Path) -> None:
        """Count what stands in the files of a folder as synced."""
        for path in folder.iterdir():
            if path.is_file() and path.suffix != ".db-shm":
                self.durable[path.name] = bytearray(path.read_bytes())

    def after_total_loss(self, folder: Path) -> Path:
        """Write what a disk holds that has lost all that was not synced, and return the folder."""
        folder.mkdir()
        for name, content in self.durable.items():
            (folder / name).write_bytes(content)
        return folder

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
