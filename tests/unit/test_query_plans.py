"""No statement of the store walks through a table that grows with use.

How each is carried out is read from SQLite.

The plans are those of the product: nothing gathers statistics (`ANALYZE`), and a statement's plan
does not depend on its values, so an empty database has the plans of a full one.
"""

from __future__ import annotations

import ast
import importlib
import itertools
import operator
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import apsw
import pytest

import opsicle.server
from opsicle.server.store import approvals, audit, automations, deliveries
from opsicle.server.store.connections import open_connection
from opsicle.server.store.migrations import LOG_MIGRATIONS, STATE_MIGRATIONS, migrate
from tests.unit import store_statements
from tests.unit.plan_exceptions import EXCEPTIONS
from tests.unit.store_statements import Found, Statement
from tests.unit.store_tables import GROWING, TABLES

_TABLE = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO)\s+(\w+)(?:\s+(?:AS\s+)?(\w+))?", re.IGNORECASE)
_STEP = re.compile(r"(?:SCAN|SEARCH) (\w+)")
_NEWEST = re.compile(
    r"WHERE org_id = \S+ ORDER BY (seq|number|id) DESC LIMIT 1$"
    r"|(min|max)\((seq|number|id)\)(, 0\))? FROM \w+ (AS \w+ )?WHERE (\w+\.)?org_id = [\w:.?]+\)"
)
"""One step in the index, to the newest of an org."""


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[apsw.Connection]]:
    """Open the state's and the logs' database, empty, as the server opens them."""
    folder = tmp_path_factory.mktemp("plans")
    opened = []
    for name, migrations in (("opsicle.db", STATE_MIGRATIONS), ("logs.db", LOG_MIGRATIONS)):
        migrate(folder / name, migrations)
        opened.append(open_connection(folder / name))
    yield opened
    for each in opened:
        each.close()


@pytest.fixture(scope="module")
def found(databases: list[apsw.Connection]) -> Found:
    return store_statements.collect(databases, _enrol_a_worker)


def _enrol_a_worker(db: apsw.Connection) -> None:
    """Add a worker, without which `worker_status.record_poll` does not get to its statement."""
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute(
        """
        INSERT INTO workers (id, org_id, name, state, labels, runtimes, slots, version, boot_id,
                             certificate_serial, certificate_expires_at, created_at)
        VALUES ('x', 'x', 'w', 'active', '{}', '[]', 1, '', '', '', '', '')
        """
    )


def _is_of_logs(statement: Statement) -> bool:
    return statement.function.partition(".")[0] in store_statements.OF_LOGS


def _plan(db: apsw.Connection, statement: Statement) -> list[str]:
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement.sql}", statement.bindings)]


def _record(ran: list[Statement], _cursor: apsw.Cursor, sql: str, bindings: object) -> bool:
    """Add a statement to those that ran, and let it run."""
    ran.append(Statement("", sql, bindings))
    return True


def _walks(plan: list[str], sql: str) -> Iterator[str]:
    """Yield the steps that go through a table that grows, or sort rows of one."""
    names = {alias or table: table for table, alias in _TABLE.findall(sql)} | {
        t: t for t, _ in _TABLE.findall(sql)
    }
    tables = {names.get(match[1], match[1]) for step in plan if (match := _STEP.match(step))}
    for step in plan:
        match = _STEP.match(step)
        is_growing = match is not None and names.get(match[1]) in GROWING
        is_of_org = step.endswith(" (org_id=?)") and not _NEWEST.search(" ".join(sql.split()))
        is_walk = is_growing and (step.startswith("SCAN") or is_of_org)
        if is_walk or ("TEMP B-TREE" in step and tables & GROWING):
            yield step


def test_every_place_that_runs_a_statement_is_reached(found: Found) -> None:
    missed = [
        f"{module}, line {lines.start}"
        for module, lines in store_statements.places()
        if not any((module, line) in found.reached for line in lines)
    ]
    assert missed == [], (
        "no call of the function gets there; `store_statements.py` has to be told how"
    )


def test_no_statement_stands_outside_the_store() -> None:
    package = Path(str(opsicle.server.__file__)).parent
    for path in package.rglob("*.py"):
        if path.parent.name == "store":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            is_sql = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "execute"
            )
            assert not is_sql, (
                f"{path.relative_to(package)}, line {getattr(node, 'lineno', 0)} runs SQL"
            )


def test_nothing_walks_through_a_table_that_grows(
    databases: list[apsw.Connection], found: Found
) -> None:
    assert len(found.statements) > 250

    seen = set()
    for statement in found.statements.values():
        db = databases[_is_of_logs(statement)]
        plan = _plan(db, statement)
        for step in _walks(plan, statement.sql):
            seen.add((statement.function, step))
            assert (statement.function, step) in EXCEPTIONS, (
                f"{statement.function}: {step}\n{statement.sql}\n{plan}"
            )

    assert set(EXCEPTIONS) - seen == set(), "these exceptions are needed no longer"


STATES = {
    automations: ["", "queued", "succeeded"],
    approvals: ["", "pending", "approved"],
    deliveries: ["", "queued", "delivered"],
}


@pytest.mark.parametrize(
    "module", list(STATES), ids=lambda module: module.__name__.rpartition(".")[2]
)
def test_every_combination_of_filters_has_its_index(
    databases: list[apsw.Connection], module
) -> None:
    """Each filter narrows the search in the index itself: nothing is read to be thrown away."""
    db = databases[0]
    (kind,) = [each for name, each in vars(module).items() if name.endswith("Filter")]
    names = [name for name in kind.__dataclass_fields__ if name != "state"]

    for state, before, *given in itertools.product(
        STATES[module], ["", "x"], *([["", "x"]] * len(names))
    ):
        wanted = kind(state=state, **dict(zip(names, given, strict=True)))
        ran: list[Statement] = []
        db.exec_trace = partial(_record, ran)
        module.list_newest(db, "x", wanted, before, 50)
        db.exec_trace = None

        (first,) = [
            step
            for step in _plan(db, ran[0])
            if re.match(r"(SEARCH|SCAN) (automations|d|approvals) ", step)
        ]

        scope = 0 if module is deliveries and wanted.channel_id else 1
        columns = scope + bool(state) + bool(before) + sum(map(bool, given))

        if module is deliveries:  # what stands in no index is looked for in a thread
            columns -= bool(wanted.kind) + bool(wanted.recipient)

        if module is automations:
            assert "USING COVERING INDEX" in first, (wanted, before, first)
        if module is automations and state == "queued":
            assert "automations_open (org_id=? AND state=?" in first, (wanted, before, first)
            continue  # what is open is few, and the other columns stand in the same index
        if module is automations and wanted.is_long:
            assert "by_requester (" in first, (wanted, before, first)
            columns -= 1  # a person's runs of one template, among all of theirs, in a thread
        assert first[first.rindex("(") :].count("?") == columns, (wanted, before, first)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (
            audit.AuditFilter(verb="approve"),
            "audit_entries_by_verb (org_id=? AND verb=? AND seq<?)",
        ),
        (
            audit.AuditFilter(verb="push", actor="x", since="2026"),
            "audit_entries_by_verb (org_id=? AND verb=? AND seq<?)",
        ),
        (
            audit.AuditFilter(resource="templates/x"),
            "audit_entries_by_resource (org_id=? AND resource=? AND seq<?)",
        ),
        (
            audit.AuditFilter(resource="users/x", verb="login"),
            "audit_entries_by_resource (org_id=? AND resource=? AND seq<?)",
        ),
    ],
)
def test_what_people_do_is_found_in_the_record_by_an_index(
    databases: list[apsw.Connection], wanted: audit.AuditFilter, index: str
) -> None:
    ran: list[Statement] = []
    databases[0].exec_trace = lambda _cursor, sql, bindings: (
        ran.append(Statement("", sql, bindings)) is None
    )
    audit.list_entries(databases[0], "x", wanted, 9, 50)
    databases[0].exec_trace = None

    assert _plan(databases[0], ran[0]) == [f"SEARCH audit_entries USING INDEX {index}"]


def test_every_table_has_somebody_who_prunes_it_or_a_reason_to_stay_small(
    databases: list[apsw.Connection],
) -> None:
    there = {
        row[0]
        for db in databases
        for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    }

    assert set(TABLES) == there - {"sqlite_sequence"}
    for name, table in TABLES.items():
        assert bool(table.pruned_by) != bool(table.small_because), name
        if table.pruned_by:
            module, _, path = table.pruned_by.partition(":")
            assert callable(operator.attrgetter(path)(importlib.import_module(module))), name
