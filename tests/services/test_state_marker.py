"""How a start tells that a database is less than there was: each mark by itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from opsicle.server import state_marker
from opsicle.server.state_marker import COMMITS, MARKER, StateMarker
from opsicle.server.store import epochs, settings
from opsicle.server.store.commits import Commits, MinimumState
from opsicle.server.store.database import Database
from opsicle.server.store.inspection import open_untouched
from opsicle.server.store.migrations import STATE_MIGRATIONS, migrate
from tests.services.clocks import ManualClock


def _raise(error: BaseException) -> None:
    raise error


@contextmanager
def server_run(folder: Path) -> Iterator[Database]:
    """Open a server's store as a start does, and close it as a clean stop."""
    database = folder / "opsicle.db"
    with closing(Commits(folder / COMMITS)) as commits:
        if database.exists():
            with closing(open_untouched(database)) as connection:
                commits.anchor(connection)
        migrate(database, STATE_MIGRATIONS)
        with (
            closing(Database(database, _raise, commits)) as opened,
            closing(StateMarker(folder, opened, commits, ManualClock())) as marker,
        ):
            opened.write(lambda db: epochs.find(db) or epochs.begin(db, 1))
            marker.write()
            yield opened
            marker.write()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with server_run(tmp_path) as database:
        put(database, 1)
    return tmp_path


def put(database: Database, value: int) -> None:
    database.write(lambda db: settings.put(db, "thing", str(value)))


def copy(folder: Path, name: str) -> Path:
    """Return all files as they lie there, as a kill would leave them."""
    to = folder.parent / f"{folder.name}-{name}"
    shutil.copytree(folder, to)
    return to


def lay(source: Path, name: str, folder: Path) -> None:
    """Put one file of a copy over what is there, in the same place."""
    if (source / name).exists():
        (folder / name).write_bytes((source / name).read_bytes())
    else:
        (folder / name).unlink(missing_ok=True)


def lay_all(source: Path, folder: Path) -> None:
    for name in ("opsicle.db", "opsicle.db-wal", MARKER, COMMITS):
        lay(source, name, folder)


def reasons(folder: Path) -> str:
    return "; ".join(state_marker.compare(folder, folder / "opsicle.db", has_keys=True).reasons)


def test_what_the_server_has_left_misses_nothing(folder: Path) -> None:
    assert reasons(folder) == ""

    with server_run(folder) as database:
        put(database, 2)
        killed = copy(folder, "killed")
    assert reasons(folder) == ""

    lay_all(killed, folder)
    assert reasons(folder) == ""


def test_a_log_that_lost_its_end_is_noticed_though_nothing_of_the_record_is_missing(
    folder: Path,
) -> None:
    with server_run(folder) as database:
        put(database, 2)
        before = copy(folder, "before")
        put(database, 3)
        after = copy(folder, "after")
    lay_all(after, folder)

    lay(before, "opsicle.db-wal", folder)

    assert "the end of opsicle.db-wal is missing" in reasons(folder)

    (folder / "opsicle.db-wal").unlink()
    assert reasons(folder)


def test_what_another_program_has_folded_in_after_a_kill_is_not_missed(folder: Path) -> None:
    """As one does that replicates the database: it reads on, and folds the log in by itself."""
    with server_run(folder) as database:
        with closing(apsw.Connection(str(folder / "opsicle.db"))) as other:
            other.execute("BEGIN; SELECT count(*) FROM settings").fetchall()
            put(database, 2)
            database.checkpoint()  # a part of the log stays, which the other one still reads
            for value in range(3, 20):
                put(database, value)
        killed = copy(folder, "killed")
    lay_all(killed, folder)

    with closing(apsw.Connection(str(folder / "opsicle.db"))) as other:
        other.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        other.execute("CREATE TABLE _other_seq (id INTEGER)")  # the log begins anew
        assert reasons(folder) == ""

        anew = copy(folder, "anew")
    lay_all(anew, folder)
    lay(killed, "opsicle.db-wal", folder)
    (folder / "opsicle.db-wal").write_bytes((folder / "opsicle.db-wal").read_bytes()[:4152])
    assert "opsicle.db-wal" in reasons(folder)


def test_a_file_that_is_older_than_its_log_is_noticed(folder: Path) -> None:
    old = copy(folder, "old")
    for value in (2, 3):  # each start folds the log of the one before into the file
        with server_run(folder) as database:
            put(database, value)
            new = copy(folder, f"new-{value}")

    lay_all(new, folder)

    assert reasons(folder) == ""

    lay(old, "opsicle.db", folder)
    assert "opsicle.db is older than opsicle.db-wal beside it" in reasons(folder)


def test_a_log_that_is_older_than_its_file_is_noticed(folder: Path) -> None:
    with server_run(folder) as database:
        put(database, 2)
        old = copy(folder, "old")
    for value in (3, 4):
        with server_run(folder) as database:
            put(database, value)

    lay(old, "opsicle.db-wal", folder)

    assert "opsicle.db-wal is older than opsicle.db beside it" in reasons(folder)


def test_an_older_pair_is_noticed_by_the_note_of_the_last_commit(folder: Path) -> None:
    with server_run(folder) as database:
        put(database, 2)
        old = copy(folder, "old")
    with server_run(folder) as database:
        put(database, 3)
        lay(folder, COMMITS, old)
    lay(old, "opsicle.db", folder)

    lay(old, "opsicle.db-wal", folder)

    assert "older than what was acknowledged last" in reasons(folder)


def test_a_note_of_the_commits_that_is_older_than_the_marker_is_noticed(folder: Path) -> None:
    """With it the log could be missing as well: such a note asks for none of it."""
    with server_run(folder):
        early = copy(folder, "early")
    with server_run(folder) as database:
        put(database, 2)
        killed = copy(folder, "killed")
    lay_all(killed, folder)

    lay(early, COMMITS, folder)
    (folder / "opsicle.db-wal").unlink()

    assert reasons(folder) == "marker.commits is older than marker.json beside it"


def test_a_copy_is_another_file(folder: Path) -> None:
    assert (
        reasons(copy(folder, "whole"))
        == "opsicle.db is a copy, not the file that the server has written"
    )


def test_a_copy_with_the_number_of_the_original_is_another_file(folder: Path) -> None:
    """A copy in the place of a removed folder is likely to be given the same inode number."""
    whole = copy(folder, "whole")
    marker = json.loads((whole / MARKER).read_text())
    assert marker["database_born_at_ns"], "this file system does not say when files were made"
    marker["database"] = (whole / "opsicle.db").stat().st_ino
    (whole / MARKER).write_text(json.dumps(marker))
    assert reasons(whole) == "opsicle.db is a copy, not the file that the server has written"

    marker["database_born_at_ns"] = 0  # as a server of an earlier version wrote it
    (whole / MARKER).write_text(json.dumps(marker))
    assert reasons(whole) == ""


def test_a_folder_that_was_removed_and_put_back_is_a_copy(folder: Path) -> None:
    whole = copy(folder, "whole")
    shutil.rmtree(folder)

    shutil.copytree(whole, folder)

    assert reasons(folder) == "opsicle.db is a copy, not the file that the server has written"


def test_a_log_that_somebody_has_folded_in_whole_is_missed_by_nobody(folder: Path) -> None:
    with server_run(folder) as database:
        put(database, 2)
        killed = copy(folder, "killed")
    lay_all(killed, folder)

    open_untouched(folder / "opsicle.db").close()

    assert (folder / "opsicle.db-wal").exists()

    migrate(folder / "opsicle.db", STATE_MIGRATIONS)  # opens and closes as any tool does
    assert not (folder / "opsicle.db-wal").exists()
    assert reasons(folder) == ""


def test_a_note_is_read_and_what_is_none_is_not(tmp_path: Path) -> None:
    for text, noted in (
        ("7 12 1", MinimumState(7, 12, 1)),
        ("7 12", MinimumState(7, 12)),
        ("", None),
        ("x y", None),
        ("7 12 1 5", MinimumState(7, 12, 1, 5)),
        ("1 2 3 4 5", None),
    ):
        (tmp_path / COMMITS).write_text(text)
        assert Commits.read(tmp_path / COMMITS) == noted
    assert Commits.read(tmp_path / "none") is None
