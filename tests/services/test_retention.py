"""What ended long ago is deleted whole; what is open, young or compared with stays."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from opsicle.server.automations.repeated_requests import forget_requests
from opsicle.server.automations.retention import (
    BYTES_AT_ONCE,
    LEAST_AGE,
    ROWS_AT_ONCE,
    Retention,
    RetentionPeriods,
)
from opsicle.server.store import audit, retention
from opsicle.server.store.migrations import compact
from opsicle.wire.user_api import Automation, RunRequest
from tests.services.core import Core, TestWorker
from tests.services.team import Team, template_source

DAY = timedelta(days=1)
YEAR = RetentionPeriods(logs=90 * DAY, automations=365 * DAY)


@pytest.fixture
def team(core: Core) -> Team:
    made = Team(core)
    made.policy()
    core.push(made.people["alice"], template_source("careful"))
    core.push(made.people["alice"])
    return made


@pytest.fixture
def worker(core: Core, team: Team) -> TestWorker:
    return core.worker(team.org_id, "w", slots=100)


def pruner(core: Core) -> Retention:
    return Retention(core.database, core.job_logs, core.clock)


def carry_out(worker: TestWorker, log: bytes = b"") -> None:
    """Run to its end whatever waits."""
    for work in worker.poll().work:
        worker.start(work)
        if log:
            worker.core.job_logs.append(work.job_id, [(0, 0, 1, 0, log)])
        worker.finish(work)


def run_approved(team: Team, worker: TestWorker) -> Automation:
    asked = team.ask(password="hunter22")
    team.approve("bob", asked)
    carry_out(worker, b"a line\n")
    return asked


def ids(core: Core, table: str = "automations") -> set[str]:
    return core.database.read(lambda db: {row[0] for row in db.execute(f"SELECT id FROM {table}")})


def places_of(db: apsw.Connection, *needles: str) -> Iterator[str]:
    """Return the columns that hold one of these texts, of every table but the audit record's."""
    tables = [row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    for table in set(tables) - {"audit_entries", "removals"}:
        for (column,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall():
            for needle in needles:
                found = db.execute(
                    f'SELECT 1 FROM "{table}" WHERE instr("{column}", ?) LIMIT 1', (needle,)
                ).fetchone()
                if found:
                    yield f"{table}.{column}"


def test_nothing_of_what_is_removed_is_left_but_in_the_record(
    team: Team, worker: TestWorker
) -> None:
    core, alice = team.core, team.people["alice"]
    old = run_approved(team, worker)

    again = core.automations.create(
        alice, RunRequest(template="careful", values={"password": "x" * 9}), "key-1"
    )
    team.reject("bob", again)

    job = core.automations.get(alice, old.id).jobs[0].id
    newer = run_approved(team, worker)
    core.clock.advance(370 * 86400)
    rerun = core.automations.rerun(alice, old.id)
    forget_requests(core.database, core.clock)

    assert pruner(core).prune(YEAR) == 2

    assert ids(core) == {newer.id, rerun.id}
    gone = (old.id, old.approval_id, again.id, again.approval_id, job)
    assert core.database.read(lambda db: list(places_of(db, *gone))) == []
    assert core.logs_database.read(lambda db: list(places_of(db, job))) == []
    assert core.database.read(lambda db: db.execute("PRAGMA foreign_key_check").fetchall()) == []
    assert core.automations.get(alice, rerun.id).rerun_of is None

    entry = core.database.read(
        lambda db: audit.list_entries(db, team.org_id, audit.AuditFilter(verb="prune"), 2**53, 9)
    )
    told = json.loads(entry[0].data)
    assert (told["automations"], told["first"], told["last"]) == (2, old.id, again.id)

    assert pruner(core).prune(YEAR) == 0


def test_what_has_not_ended_stays_however_old(team: Team, worker: TestWorker) -> None:
    core = team.core
    waiting, queued = team.ask(), core.run(team.people["alice"])
    (work,) = worker.poll().work
    worker.start(work)
    held_back = core.run(team.people["alice"])
    core.clock.advance(3650 * 86400)

    pruner(core).prune(RetentionPeriods(logs=DAY, automations=LEAST_AGE, count=1))

    assert ids(core) == {waiting.id, queued.id, held_back.id}


def test_what_ended_lately_stays_whenever_it_was_asked(team: Team, worker: TestWorker) -> None:
    core = team.core
    core.run(team.people["alice"])
    core.clock.advance(400 * 86400)
    carry_out(worker)
    core.run(team.people["alice"])
    carry_out(worker)

    assert pruner(core).prune(YEAR) == 0
    assert pruner(core).prune(RetentionPeriods(logs=DAY, count=1)) == 0

    core.clock.advance(366 * 86400)
    assert pruner(core).prune(YEAR) == 2


def test_an_org_keeps_so_many_of_the_newest(team: Team, worker: TestWorker) -> None:
    core, alice = team.core, team.people["alice"]
    made = []
    for _ in range(ROWS_AT_ONCE + 5):
        made.append(core.run(alice).id)
        carry_out(worker)
    core.clock.advance(LEAST_AGE.total_seconds() + 1)

    assert pruner(core).prune(RetentionPeriods(logs=DAY, count=3)) == ROWS_AT_ONCE + 2

    assert ids(core) == set(made[-3:])


def test_runs_that_approvers_compare_with_stay(team: Team, worker: TestWorker) -> None:
    core = team.core
    run_approved(team, worker)
    compared = run_approved(team, worker)
    waiting = team.ask()
    newest = run_approved(team, worker)
    rejected = team.ask()
    team.reject("bob", rejected)
    core.clock.advance(370 * 86400)

    assert pruner(core).prune(YEAR) == 2

    assert ids(core) == {compared.id, waiting.id, newest.id}
    comparison = team.show("bob", waiting).compared
    assert comparison is not None
    assert comparison.automation_id == compared.id


def test_one_orgs_past_does_not_count_for_another(
    team: Team, worker: TestWorker, core: Core
) -> None:
    elsewhere = core.org("other")
    eve = core.person(elsewhere, "eve", team.people["carol"].role)
    core.push(eve)
    for _ in range(3):
        core.run(team.people["alice"])
    carry_out(worker)
    theirs = core.run(eve)
    carry_out(core.worker(elsewhere, "v"))
    core.clock.advance(LEAST_AGE.total_seconds() + 1)

    assert pruner(core).prune(RetentionPeriods(logs=DAY, count=1)) == 2

    assert theirs.id in ids(core)


@pytest.mark.parametrize("table", ["automations", "approvals", "approval_decisions"])
def test_the_database_itself_refuses_to_remove_what_retention_does_not(
    team: Team, worker: TestWorker, table: str
) -> None:
    run_approved(team, worker)

    with pytest.raises(apsw.ConstraintError, match="by retention only"):
        team.core.database.write(lambda db: db.execute(f"DELETE FROM {table}"))


@pytest.mark.parametrize("table", ["automations", "approvals"])
def test_the_database_itself_refuses_to_remove_what_is_open(team: Team, table: str) -> None:
    team.ask()

    def allow_and_remove(db: apsw.Connection) -> None:
        retention.allow(db, team.org_id, "~", team.core.clock.now())
        db.execute(f"DELETE FROM {table}")

    with pytest.raises(apsw.ConstraintError, match="only one that has ended"):
        team.core.database.write(allow_and_remove)


def test_a_request_is_remembered_for_as_long_as_what_it_made(
    team: Team, worker: TestWorker
) -> None:
    core, alice = team.core, team.people["alice"]
    request = RunRequest(template="hello")
    made = core.automations.create(alice, request, "key-1")
    carry_out(worker)
    core.clock.advance(LEAST_AGE.total_seconds() - 60)
    core.run(alice)
    carry_out(worker)

    pruner(core).prune(RetentionPeriods(logs=DAY, automations=DAY, count=1))

    assert core.automations.create(alice, request, "key-1").id == made.id


def test_logs_that_are_pruned_give_their_room_back(core: Core) -> None:
    noise = random.Random(1)
    for number in range(300):
        core.job_logs.append(f"0-{number}", [(0, 0, 1, 0, noise.randbytes(25_000))])
    core.clock.advance(100 * 86400)
    core.job_logs.append("~young", [(0, 0, 1, 0, b"x")])
    core.logs_database.release_free_space()
    before = core.logs_database.path.stat().st_size

    assert core.services.log_retention.prune(90 * DAY) == 300

    assert before > 7_000_000
    assert core.logs_database.path.stat().st_size < 2_000_000
    assert [chunk[4] for chunks in core.job_logs.read("~young") for chunk in chunks] == [b"x"]


def test_a_file_of_before_gives_room_back_once_it_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE t (x BLOB)")
    connection.executemany("INSERT INTO t VALUES (?)", [(bytes(4000),)] * 500)
    connection.execute("DELETE FROM t")
    connection.close()

    compact(path)

    connection = apsw.Connection(str(path))
    assert connection.pragma("auto_vacuum") == 2
    connection.close()
    assert path.stat().st_size < 20_000


def test_removing_is_done_in_steps_of_few_rows_and_few_bytes(
    team: Team, worker: TestWorker
) -> None:
    core, alice = team.core, team.people["alice"]
    long = "x" * (BYTES_AT_ONCE // 4)
    for number in range(ROWS_AT_ONCE + 10):
        core.run(alice, who=long if number < 10 else "you")
        carry_out(worker)
    core.clock.advance(400 * 86400)

    assert pruner(core).prune(YEAR) == ROWS_AT_ONCE + 10

    told = core.database.read(
        lambda db: audit.list_entries(db, team.org_id, audit.AuditFilter(verb="prune"), 2**53, 99)
    )
    steps = [json.loads(entry.data)["automations"] for entry in reversed(told)]
    assert steps[:3] == [4, 4, ROWS_AT_ONCE]
