"""The note of a clean stop.

Taken once, and worth nothing if the files are not those that it speaks of.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from opsicle.server.clean_stop import CleanStop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a data folder after a clean stop."""
    made = tmp_path / "data"
    made.mkdir()
    for name in ("opsicle.db", "logs.db"):
        (made / name).write_bytes(name.encode() * 1000)
    note_of(made).leave()
    return made


def note_of(folder: Path) -> CleanStop:
    return CleanStop(folder, (folder / "opsicle.db", folder / "logs.db"))


def test_the_note_is_good_for_one_start(folder: Path) -> None:
    assert note_of(folder).take()
    assert not note_of(folder).take()


def _rewrite(folder: Path) -> None:
    before = (folder / "opsicle.db").stat()
    os.utime(folder / "opsicle.db", ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def _remove(folder: Path) -> None:
    (folder / "logs.db").unlink()


def _cut(folder: Path) -> None:
    before = (folder / "opsicle.db").stat()
    os.truncate(folder / "opsicle.db", 100)
    os.utime(folder / "opsicle.db", ns=(before.st_atime_ns, before.st_mtime_ns))


def _crash(folder: Path) -> None:
    (folder / "opsicle.db-wal").write_bytes(b"")


def _overwrite(folder: Path) -> None:
    (folder / "clean-stop").write_bytes(b"{")


def _copy(folder: Path) -> None:
    shutil.copyfile(folder / "opsicle.db", folder / "copy")
    (folder / "copy").replace(folder / "opsicle.db")


@pytest.mark.parametrize("happen", [_rewrite, _remove, _cut, _crash, _overwrite, _copy])
def test_files_that_have_changed_since_are_not_those_of_the_note(
    folder: Path, happen: Callable[[Path], None]
) -> None:
    happen(folder)

    assert not note_of(folder).take()
