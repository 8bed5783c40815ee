"""Bringing databases to the schema of today: complete, in order, all or nothing."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import apsw
import pytest

from opsicle.domain.errors import Conflict, Unavailable
from opsicle.server.store import migrations
from opsicle.server.store.integrity import check_integrity
from opsicle.server.store.migrations import LOG_MIGRATIONS, STATE_MIGRATIONS, migrate
from tests.support import SCALE, wait_until

STORE = STATE_MIGRATIONS.parent

SNAPSHOTS = [(STATE_MIGRATIONS, STORE / "schema.sql"), (LOG_MIGRATIONS, STORE / "log_schema.sql")]


GRANTED_LABELS = 23
"""The number of the migration that tells granted labels from others."""


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    """Write two migrations, of which the second takes a while."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.sql").write_text(
        "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);"
    )
    (folder / "0002_second.sql").write_text(
        "CREATE TABLE b (x INTEGER) STRICT;"
        "INSERT INTO b"
        " WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 300000)"
        " SELECT x FROM n;"
        "DROP TABLE a;"
    )
    return folder


def version(database: Path) -> int:
    connection = apsw.Connection(str(database))
    try:
        return int(connection.pragma("user_version"))
    finally:
        connection.close()


def schema(database: Path) -> str:
    """Return every table, index and trigger of a file as SQL, sorted as in `schema.sql`."""
    connection = apsw.Connection(str(database))
    try:
        rows = connection.execute(
            """
            SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL
             ORDER BY tbl_name, type <> 'table', name
            """
        )
        return "".join(f"{sql};\n\n" for (sql,) in rows).rstrip("\n") + "\n"
    finally:
        connection.close()


@pytest.mark.parametrize(("folder", "snapshot"), SNAPSHOTS, ids=["state", "logs"])
def test_the_migrations_make_the_schema_that_is_committed(
    tmp_path: Path, folder: Path, snapshot: Path
) -> None:
    """After a new migration, OPSICLE_WRITE_SCHEMA=1 in the environment writes the snapshot anew."""
    migrate(tmp_path / "new.db", folder)
    made = schema(tmp_path / "new.db")
    if os.environ.get("OPSICLE_WRITE_SCHEMA"):
        snapshot.write_text(made)

    assert made == snapshot.read_text()


def test_every_table_is_strict(tmp_path: Path) -> None:
    for folder, _ in SNAPSHOTS:
        database = tmp_path / f"{folder.name}.db"
        migrate(database, folder)
        tables = apsw.Connection(str(database)).execute("PRAGMA table_list").fetchall()
        assert [
            row
            for row in tables
            if row[2] == "table" and not row[1].startswith("sqlite_") and not row[5]
        ] == []


def test_no_condition_of_an_index_builds_a_table_at_each_step_of_a_job(tmp_path: Path) -> None:
    """SQLite does that for an IN of more than two texts, unless another condition fails before."""
    migrate(tmp_path / "state.db", STATE_MIGRATIONS)
    connection = apsw.Connection(str(tmp_path / "state.db"))
    indexes = connection.execute(
        """
        SELECT name, sql FROM sqlite_schema
         WHERE type = 'index' AND tbl_name IN ('audit_entries', 'automations', 'jobs') AND sql <> ''
        """
    ).fetchall()
    connection.close()

    assert len(indexes) > 20
    for name, sql in indexes:
        before, _, texts = str(sql).partition("WHERE")[2].partition(" IN (")
        assert texts.count(",") < 2 or "IS NOT NULL AND" in before, name


def test_migrating_again_changes_nothing(tmp_path: Path) -> None:
    assert migrate(tmp_path / "a.db", STATE_MIGRATIONS) > 0

    before = (tmp_path / "a.db").read_bytes()
    assert migrate(tmp_path / "a.db", STATE_MIGRATIONS) == 0
    assert (tmp_path / "a.db").read_bytes() == before


def test_the_labels_that_workers_had_are_granted_once(tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    for path in sorted(STATE_MIGRATIONS.glob("*.sql"))[: GRANTED_LABELS - 1]:
        (before / path.name).write_text(path.read_text())
    migrate(tmp_path / "old.db", before)
    connection = apsw.Connection(str(tmp_path / "old.db"))
    connection.execute(
        """
        INSERT INTO orgs (id, code, name, created_at) VALUES ('o', 'acme', 'acme', '');
        INSERT INTO workers (id, org_id, name, state, labels, runtimes, slots, version, boot_id,
                             certificate_serial, certificate_expires_at, created_at)
        VALUES ('w', 'o', 'w', 'active', '{"site":"ams"}', '[]', 1, '', '', '', '', '');
        """
    )
    connection.close()

    migrate(tmp_path / "old.db", STATE_MIGRATIONS)

    connection = apsw.Connection(str(tmp_path / "old.db"))
    assert connection.execute("SELECT granted_labels, copied_from FROM workers").fetchall() == [
        ('{"site":"ams"}', None)
    ]
    connection.close()


def test_only_what_is_missing_is_applied_and_said_before(
    tmp_path: Path, steps: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    second = steps / "0002_second.sql"
    waiting = second.rename(tmp_path / "later.sql")

    assert migrate(tmp_path / "a.db", steps) == 1
    assert caplog.messages == []

    waiting.rename(second)
    assert migrate(tmp_path / "a.db", steps) == 1
    assert version(tmp_path / "a.db") == 2
    [said] = caplog.messages
    assert "is being migrated" in said


def test_a_database_of_a_newer_program_is_refused_and_left_alone(
    tmp_path: Path, steps: Path
) -> None:
    migrate(tmp_path / "a.db", steps)
    (steps / "0002_second.sql").unlink()
    before = (tmp_path / "a.db").read_bytes()

    with pytest.raises(Conflict, match="newer") as refusal:
        migrate(tmp_path / "a.db", steps)

    assert refusal.value.hint
    assert (tmp_path / "a.db").read_bytes() == before


def test_a_migration_that_fails_leaves_the_schema_before_it(tmp_path: Path, steps: Path) -> None:
    (steps / "0002_second.sql").write_text(
        "CREATE TABLE b (x INTEGER) STRICT; DROP TABLE a; SELECT nonsense;"
    )

    with pytest.raises(apsw.SQLError, match="nonsense"):
        migrate(tmp_path / "a.db", steps)

    assert version(tmp_path / "a.db") == 1
    assert schema(tmp_path / "a.db") == "CREATE TABLE a (x INTEGER) STRICT;\n"


def test_a_process_that_is_killed_half_way_leaves_the_old_schema_or_the_new(
    tmp_path: Path, steps: Path
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    program = f"""
from pathlib import Path
from opsicle.server.store.migrations import migrate
migrate(Path({str(tmp_path / "a.db")!r}), Path({str(steps)!r}))
"""
    found = {"CREATE TABLE a (x INTEGER) STRICT;\n": 1, "CREATE TABLE b (x INTEGER) STRICT;\n": 2}

    for _ in range(round(6 * SCALE)):
        for left in tmp_path.glob("a.db*"):
            left.unlink()

        process = subprocess.Popen([sys.executable, "-c", program], cwd=STORE.parents[2])
        wal = tmp_path / "a.db-wal"
        threshold = rng.randrange(1, 3_000_000)
        wait_until(partial(_has_ended_or_written, process, wal, threshold))

        process.send_signal(signal.SIGKILL)
        process.wait()
        if not (tmp_path / "a.db").exists() or version(tmp_path / "a.db") == 0:
            continue

        assert found[schema(tmp_path / "a.db")] == version(tmp_path / "a.db")
        check_integrity(tmp_path / "a.db")
        migrate(tmp_path / "a.db", steps)
        assert version(tmp_path / "a.db") == 2


def _has_ended_or_written(process: subprocess.Popen[bytes], wal: Path, size: int) -> bool:
    return process.poll() is not None or _size(wal) >= size


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize(
    "name", ["0001-first.sql", "0002_first.sql", "1_first.sql", "0001_First.sql"]
)
def test_a_migration_out_of_order_is_a_mistake_of_ours(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("SELECT 1;")
    with pytest.raises(ValueError, match="out of order"):
        migrations.migrations(tmp_path)


@pytest.mark.parametrize(
    "content", [b"this is no database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 8000]
)
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.db").write_bytes(content)
    with pytest.raises(Conflict, match="damaged"):
        migrate(tmp_path / "a.db", STATE_MIGRATIONS)


def test_a_damaged_page_is_found(tmp_path: Path) -> None:
    migrate(tmp_path / "a.db", STATE_MIGRATIONS)
    check_integrity(tmp_path / "a.db")
    content = bytearray((tmp_path / "a.db").read_bytes())
    content[3 * 4096 : 3 * 4096 + 200] = b"\xff" * 200
    (tmp_path / "a.db").write_bytes(content)

    with pytest.raises(Conflict, match="damaged"):
        check_integrity(tmp_path / "a.db")


def test_a_reference_to_nothing_is_found(tmp_path: Path) -> None:
    migrate(tmp_path / "a.db", STATE_MIGRATIONS)
    connection = apsw.Connection(str(tmp_path / "a.db"))
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute(
        "INSERT INTO memberships (org_id, user_id, role, created_at)"
        " VALUES ('none', 'nobody', 'admin', '')"
    )
    connection.close()

    with pytest.raises(Conflict, match="damaged"):
        check_integrity(tmp_path / "a.db")


def test_the_sqlite_that_we_run_with_is_new_enough() -> None:
    migrations.check_sqlite()


def test_an_older_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.51.2")
    with pytest.raises(Unavailable, match=r"3\.51\.2 is too old"):
        migrations.check_sqlite()


def test_what_is_open_at_the_upgrade_is_put_in_order_by_its_times(tmp_path: Path) -> None:
    """Who joined a group after something was asked still decides on nothing of it.

    Owners of deleted accounts stay.
    """
    old = tmp_path / "old"
    old.mkdir()
    for path in sorted(STATE_MIGRATIONS.glob("*.sql"))[:16]:
        (old / path.name).write_text(path.read_text())
    migrate(tmp_path / "a.db", old)
    db = apsw.Connection(str(tmp_path / "a.db"))
    db.execute(
        """
        INSERT INTO orgs (id, code, name, created_at) VALUES ('o', 'acme', 'acme', '');
        INSERT INTO users (id, email, name, password_hash, created_at)
        VALUES ('a', 'a@x.com', 'a', '-', ''), ('b', 'b@x.com', 'b', '-', ''),
               ('gone', 'bot@acme.service', 'bot', '-', '');
        INSERT INTO groups VALUES ('o', 'g', '', '[]', '', '');
        INSERT INTO group_members
        VALUES ('o', 'g', 'a', '2026-01-01T02:00:00Z'), ('o', 'g', 'b', '2026-01-01T04:00:00Z');
        INSERT INTO templates VALUES ('t', 'o', 't', 1, '', '', NULL);
        INSERT INTO template_versions VALUES ('o', 't', 1, '', '', '{}', 'a', '');
        INSERT INTO automations (id, org_id, template_id, template, version, values_json,
                                 requirements, on_worker_lost, state, requester_id, reason,
                                 created_at)
        VALUES ('m', 'o', 't', 't', 1, '{}', '{}', 'unknown', 'awaiting_approval', 'gone', '', '');
        INSERT INTO approvals (id, org_id, automation_id, state, policy_id, policy_name,
                               policy_version, policy_digest, policy, manifest_digest,
                               requester_id, asked_at)
        VALUES ('p', 'o', 'm', 'pending', '', '', 0, '', '{}', '', 'gone', '2026-01-01T03:00:00Z');
        """
    )
    for seq, (hour, verb, resource, data) in enumerate(
        [
            (1, "create", "users/gone", '{"email":"bot@acme.service","owner":"a@x.com"}'),
            (2, "add_member", "groups/g", "{}"),
            (3, "create", "automations/m", "{}"),
            (4, "add_member", "groups/g", "{}"),
        ],
        start=1,
    ):
        at = f"2026-01-01T{hour:02}:00:00Z"
        row = ("o", seq, at, "user", "a", "a", "cli", "", verb, resource, data, b"h" * 32)
        db.execute("INSERT INTO audit_entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    db.close()

    migrate(tmp_path / "a.db", STATE_MIGRATIONS)

    db = apsw.Connection(str(tmp_path / "a.db"))
    asked = db.execute("SELECT asked_seq FROM approvals").get
    joined = dict(db.execute("SELECT user_id, joined_seq FROM group_members"))
    assert joined["a"] <= asked < joined["b"]
    assert list(db.execute("SELECT user_id, owner_id FROM account_owners")) == [("gone", "a")]
    db.close()
