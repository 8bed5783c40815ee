"""What the one writer promises.

Durable when answered, each unit alone, a clear end when the disk fails.
"""

from __future__ import annotations

from pathlib import Path

import apsw
import gevent
import pytest

from opsicle.domain.errors import Unavailable
from opsicle.server.store.database import Connection, Database


@pytest.fixture
def fatal() -> list[BaseException]:
    return []


@pytest.fixture
def database(tmp_path: Path, fatal: list[BaseException]) -> Database:
    database = Database(tmp_path / "test.db", on_fatal=fatal.append)
    database.write(
        lambda db: db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT").fetchall()
    )
    yield database
    database.close()


def insert(database: Database, n: int) -> None:
    database.write(lambda db: db.execute("INSERT INTO t VALUES (?)", (n,)).fetchall())


def numbers(path: Path) -> list[int]:
    """Return what another process would find in the file."""
    other = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    return [row[0] for row in other.execute("SELECT n FROM t ORDER BY n")]


def test_a_write_is_committed_when_it_returns(database: Database) -> None:
    insert(database, 1)
    assert numbers(database.path) == [1]


def test_many_writers_at_once_are_all_answered_with_their_own_result(database: Database) -> None:
    def work(n: int) -> int:
        return database.write(
            lambda db: db.execute("INSERT INTO t VALUES (?) RETURNING n * 2", (n,)).fetchall()[0][0]
        )

    greenlets = [gevent.spawn(work, n) for n in range(500)]
    gevent.joinall(greenlets, raise_error=True)
    assert [greenlet.value for greenlet in greenlets] == [2 * n for n in range(500)]
    assert numbers(database.path) == list(range(500))


def test_many_writes_share_few_commits(database: Database) -> None:
    commits: list[int] = []
    database.write(lambda db: db.set_commit_hook(lambda: bool(commits.append(1))))

    gevent.joinall([gevent.spawn(insert, database, n) for n in range(100)], raise_error=True)

    assert len(commits) < 10


def test_a_unit_that_fails_undoes_only_itself(database: Database) -> None:
    def fail(db: apsw.Connection) -> None:
        db.execute("INSERT INTO t VALUES (1000)")
        raise ValueError("no")

    good = [gevent.spawn(insert, database, n) for n in range(3)]
    bad = gevent.spawn(database.write, fail)
    gevent.joinall([*good, bad])
    assert isinstance(bad.exception, ValueError)
    assert numbers(database.path) == [0, 1, 2]


def test_a_reader_sees_one_snapshot_and_may_not_write(database: Database) -> None:
    insert(database, 1)

    def query(db: apsw.Connection) -> tuple[int, int]:
        before = db.execute("SELECT count(*) FROM t").fetchall()[0][0]
        other = apsw.Connection(str(database.path))
        other.execute("INSERT INTO t VALUES (2)")
        return before, db.execute("SELECT count(*) FROM t").fetchall()[0][0]

    assert database.read(query) == (1, 1)
    with pytest.raises(apsw.ReadOnlyError):
        database.read(lambda db: db.execute("INSERT INTO t VALUES (3)").fetchall())


def test_a_reader_that_fails_leaves_its_connection_usable(database: Database) -> None:
    for _ in range(20):
        with pytest.raises(apsw.SQLError):
            database.read(lambda db: db.execute("SELECT nonsense FROM nowhere").fetchall())
    assert database.read(lambda db: db.execute("SELECT 1").fetchall()) == [(1,)]


def test_a_full_disk_is_said_clearly_and_nothing_is_acknowledged(
    database: Database, fatal: list[BaseException]
) -> None:
    insert(database, 1)
    pages = database.read(lambda db: db.execute("PRAGMA page_count").fetchall()[0][0])
    database.write(lambda db: db.execute("CREATE TABLE big (x BLOB)").fetchall())
    database.write(lambda db: db.execute(f"PRAGMA max_page_count = {pages + 5}").fetchall())

    with pytest.raises(Unavailable, match="disk is full"):
        database.write(
            lambda db: db.execute("INSERT INTO big VALUES (zeroblob(1000000))").fetchall()
        )
    assert numbers(database.path) == [1]
    assert fatal == []

    insert(database, 2)
    assert numbers(database.path) == [1, 2]


def test_an_io_error_ends_the_process_and_acknowledges_nothing(
    database: Database, fatal: list[BaseException]
) -> None:
    def fail(db: apsw.Connection) -> None:
        raise apsw.IOError("disk I/O error")

    with pytest.raises(apsw.IOError):
        database.write(fail)
    assert len(fatal) == 1


def test_a_closed_database_refuses(tmp_path: Path, fatal: list[BaseException]) -> None:
    database = Database(tmp_path / "x.db", on_fatal=fatal.append)
    database.close()

    for call in (database.write, database.read):
        with pytest.raises(Unavailable):
            call(lambda db: None)
    database.close()


def test_a_query_that_fails_amid_its_rows_leaves_no_old_snapshot_to_the_next_ones(
    database: Database,
) -> None:
    for n in range(3):
        insert(database, n)

    def fail(db: Connection) -> None:
        rows = db.execute("SELECT n FROM t")
        for _ in rows:
            raise LookupError

    with pytest.raises(LookupError) as kept:
        database.read(fail)
    insert(database, 3)

    assert database.read(lambda db: db.execute("SELECT count(*) FROM t").fetchone()) == (4,)
    assert kept.value.__traceback__, "the error is kept until here, as by a log"
