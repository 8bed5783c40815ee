"""What the one writer promises.

Durable when answered, each unit alone, a clear end when the disk fails.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import get_native_id

import apsw
import gevent
import pytest
from gevent.event import Event

from opsicle.domain.errors import Unavailable
from opsicle.server.store.database import Connection, Database
from tests.support import wait_until


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


def test_what_goes_besides_is_done_before_anybody_sees_the_change(database: Database) -> None:
    done: list[int] = []
    seen: list[tuple[int, list[int]]] = []

    def look() -> bool:
        count = database.read(lambda db: db.execute("SELECT count(*) FROM t").fetchall()[0][0])
        seen.append((count, list(done)))
        return bool(count)

    def write(n: int) -> None:
        database.write(
            lambda db: db.execute("INSERT INTO t VALUES (?)", (n,)).fetchall(),
            besides=lambda: done.append(n),
        )

    def fail(db: Connection) -> None:
        raise ValueError("no")

    watch = partial(wait_until, look, pause=gevent.sleep, longest_pause=0.0)
    greenlets = [gevent.spawn(run) for run in (watch, partial(write, 1), partial(write, 2))]
    with pytest.raises(ValueError, match="no"):
        database.write(fail, besides=lambda: done.append(3))
    gevent.joinall(greenlets, raise_error=True, timeout=60)

    assert all(count <= len(so_far) for count, so_far in seen), seen
    assert done == [1, 2]


def test_who_is_killed_in_the_midst_of_a_commit_leaves_it_whole(database: Database) -> None:
    held, release = os.pipe()
    committing: list[int] = []

    def hold() -> bool:
        committing.append(1)
        return not os.read(held, 1)

    os.write(release, b".")
    database.write(lambda db: db.set_commit_hook(hold))
    killed = gevent.spawn(insert, database, 1)
    wait_until(lambda: len(committing) == 2, 60, "a commit", pause=gevent.sleep)

    gevent.spawn(killed.kill, block=False)
    began = Event()
    behind = gevent.spawn(lambda: (began.set(), insert(database, 2)))
    assert began.wait(60), "which the loop comes to once it has killed"
    os.write(release, b"..")
    gevent.joinall([killed, behind], raise_error=True, timeout=60)

    assert isinstance(killed.value, gevent.GreenletExit)
    assert numbers(database.path) == [1, 2]


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

    with pytest.raises(ValueError, match="no"):
        database.write(fail)

    # The first is committed alone; what comes meanwhile goes together: one that fails leads.
    alone = gevent.spawn(insert, database, 0)
    bad = [gevent.spawn(database.write, fail)]
    good = [gevent.spawn(insert, database, 1)]
    bad.append(gevent.spawn(database.write, fail))
    good.append(gevent.spawn(insert, database, 2))
    gevent.joinall([alone, *good, *bad])

    assert [type(each.exception) for each in bad] == [ValueError] * 2
    assert numbers(database.path) == [0, 1, 2]


def test_only_commits_of_nothing_are_made_on_the_event_loop(
    tmp_path: Path, fatal: list[BaseException]
) -> None:
    path = tmp_path / "shrinking.db"
    made = apsw.Connection(str(path))
    made.execute("PRAGMA auto_vacuum = INCREMENTAL; CREATE TABLE t (n INTEGER, filling BLOB)")
    made.execute("WITH RECURSIVE c (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM c LIMIT 600)"
                 " INSERT INTO t SELECT n, zeroblob(4000) FROM c")  # fmt: skip
    made.execute("DELETE FROM t WHERE n > 10")
    made.close()
    database = Database(path, on_fatal=fatal.append)
    committed_in: list[int] = []
    database.write(
        lambda db: db.set_commit_hook(lambda: bool(committed_in.append(get_native_id())))
    )
    committed_in.clear()

    database.write(lambda db: db.execute("SELECT n FROM t").fetchall())
    assert set(committed_in) <= {get_native_id()}
    committed_in.clear()

    database.write(lambda db: db.execute("UPDATE t SET n = 0 WHERE n = 1").fetchall())
    database.release_free_space()
    assert len(committed_in) > 2
    assert get_native_id() not in committed_in[:-1], "the last one folds in, and changes nothing"
    database.close()


def test_a_large_unit_leaves_nothing_in_temporary_files(database: Database) -> None:
    database.write(lambda db: db.execute("CREATE TABLE large (n, filling)").fetchall())
    for n in range(100):
        database.write(
            lambda db, n=n: db.execute("INSERT INTO large VALUES (?, zeroblob(3000))", (n,)).get
        )

    before = open_files()

    def work(db: apsw.Connection) -> set[str]:
        db.execute("UPDATE large SET n = n + 1")
        return open_files() - before

    assert database.write(work) == set()


def open_files() -> set[str]:
    """Return what this process has open."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor of the listing itself
            found.add(str(link.readlink()))
    return found


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
    assert numbers(database.path) == [1, 2]


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


def test_references_are_looked_up_but_in_the_one_unit_that_is_to_go_without(
    database: Database,
) -> None:
    database.write(lambda db: db.execute("CREATE TABLE u (n REFERENCES t (n))").fetchall())

    def refer(db: Connection, n: int) -> None:
        db.execute("INSERT INTO u VALUES (?)", (n,))

    before = gevent.spawn(database.write, lambda db: refer(db, 1))
    apart = gevent.spawn(database.write_unchecked, lambda db: refer(db, 2))
    after = gevent.spawn(database.write, lambda db: refer(db, 3))
    gevent.joinall([before, apart, after])

    assert database.read(lambda db: db.execute("SELECT n FROM u").fetchall()) == [(2,)]
    assert [type(each.exception) for each in (before, after)] == [apsw.ConstraintError] * 2


def test_references_are_looked_up_again_after_a_commit_that_failed(database: Database) -> None:
    database.write(lambda db: db.execute("CREATE TABLE u (n REFERENCES t (n))").fetchall())

    def end_the_transaction(db: Connection) -> None:
        db.execute("ROLLBACK")  # so that there is none to commit

    with pytest.raises(apsw.SQLError):
        database.write_unchecked(end_the_transaction)

    with pytest.raises(apsw.ConstraintError):
        database.write(lambda db: db.execute("INSERT INTO u VALUES (1)").fetchall())


def test_a_read_sees_what_was_there_before_a_transaction_that_is_under_way(
    database: Database,
) -> None:
    insert(database, 1)
    seen: list[list[int]] = []

    def reads_amid(db: Connection) -> None:
        db.execute("INSERT INTO t VALUES (2)")
        seen.append(database.read(_numbers))

    greenlet = gevent.spawn(database.write, reads_amid)
    wait_until(lambda: seen, 30, "the unit to have run", pause=gevent.sleep)
    seen.append(database.read(_numbers))
    greenlet.get()

    assert seen[0] == [1]
    assert seen[1] in ([1], [1, 2])
    assert database.read(_numbers) == [1, 2]


def _numbers(db: Connection) -> list[int]:
    return [row[0] for row in db.execute("SELECT n FROM t ORDER BY n")]
