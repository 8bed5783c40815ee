"""One row that somebody has altered in the database.

All else is shown, and nothing answers "internal error".

Every column that holds JSON or a time is spoilt in one row at a time, and every route that shows
something and reads that column is asked: SQLite itself tells which routes those are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any, NamedTuple

import apsw
import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.route_walk import MAY, Things, call, prepare
from tests.api.running_server import Answer, ApiServer

ALTERED = ("{", "7", "[]", '{"a": 1}', '["x"]', "[" * 2000)
ENDLESS = {"GET /api/v1/events", "GET /api/v1/automations/<automation_id>/events"}
INBOX = "GET /api/v1/approvals"
"""Without what was altered, as nobody can decide on that; with `whose=all` it is shown."""

ALICES = ("memberships", "users", "sessions")
"""What somebody can no longer use whose own row is altered: another's is."""

RUNNERS = "GET /api/v1/templates/<name>/runners"
"""Without whose rights cannot be read, for then they have none; refused without the template."""

SHOWING = [
    *(key for key in MAY if key.startswith("GET") and key not in {*ENDLESS, "GET /readyz", INBOX}),
    f"{INBOX}?whose=all",
]


class Column(NamedTuple):
    table: str
    name: str
    is_time: bool


class Reads:
    """Which columns are read while something is asked, on whatever connection."""

    def __init__(self, api_server: ApiServer) -> None:
        self._state = api_server.state
        self._seen: set[tuple[str, str]] = set()

    @contextmanager
    def noted(self) -> Iterator[set[tuple[str, str]]]:
        """Note what is read; to set an authorizer has each statement prepared anew, and told."""
        self._seen = set()
        open_ones = (self._state._reader, self._state._writer)
        for connection in open_ones:
            connection.authorizer = self._note
        apsw.connection_hooks.append(self._attach)

        try:
            yield self._seen
        finally:
            apsw.connection_hooks.remove(self._attach)
            for connection in open_ones:
                connection.authorizer = None

    def _attach(self, connection: apsw.Connection) -> None:
        connection.authorizer = self._note

    def _note(self, kind: int, table: str | None, column: str | None, *_: str | None) -> int:
        if kind == apsw.SQLITE_READ:
            self._seen.add((str(table), str(column)))
        return apsw.SQLITE_OK


@pytest.fixture
def things(api_server: ApiServer) -> Things:
    api_server.person("acme", "bob", BuiltInRole.OPERATOR)
    return prepare(api_server, "acme", "alice@example.com", "restart-web")


def columns(api_server: ApiServer) -> Iterator[Column]:
    """Those that hold JSON or a time, by what stands in them."""
    for (table,) in query(
        api_server,
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
    ):
        for name, kind in query(api_server, f"SELECT name, type FROM pragma_table_info('{table}')"):
            values = [
                value
                for (value,) in query(api_server, f'SELECT "{name}" FROM "{table}"')
                if value is not None
            ]
            if kind == "TEXT" and values and name.endswith("_at"):
                yield Column(table, name, is_time=True)
            elif (
                kind == "TEXT" and values and all(str(value)[:1] in ("[", "{") for value in values)
            ):
                yield Column(table, name, is_time=False)


def query(api_server: ApiServer, sql: str, *values: object) -> list[Any]:
    return api_server.state.read(lambda db: db.execute(sql, values).fetchall())


def rows_of(api_server: ApiServer, column: Column) -> tuple[list[str], list[Any]]:
    """Return the names of a table's keys, and those keys and this column of each row to alter.

    What is in use has no time of its deletion: to write one is to delete it, and nothing is hidden.
    """
    table, name, _ = column
    ((alice,),) = query(api_server, "SELECT id FROM users WHERE email = 'alice@example.com'")
    keys = [
        key
        for (key,) in query(
            api_server, f"SELECT name FROM pragma_table_info('{table}') WHERE pk > 0 ORDER BY pk"
        )
    ]
    rows = query(
        api_server,
        f'SELECT {", ".join(keys)}, "{name}", * FROM "{table}" ORDER BY {", ".join(keys)}',
    )
    if name == "deleted_at":
        rows = [row for row in rows if row[len(keys)] is not None]
    return keys, [row for row in rows if table not in ALICES or alice not in row]


@contextmanager
def altered(api_server: ApiServer, column: Column, text: str, which: int) -> Iterator[None]:
    """Write this into one row, the first or (-1) the last, and put it right again afterwards."""
    table, name, _ = column
    keys, rows = rows_of(api_server, column)
    key, before = rows[which][: len(keys)], rows[which][len(keys)]
    change = (
        f'UPDATE "{table}" SET "{name}" = ? WHERE {" AND ".join(f"{each} = ?" for each in keys)}'
    )

    try:
        api_server.state.write(lambda db: db.execute(change, (text, *key)))
    except apsw.SQLError:  # an index over what stands in it does not let that in
        assert column.name == "document"
        api_server.state.write(lambda db: db.execute(change, ("[]", *key)))
    api_server.services.sessions.invalidate()

    try:
        yield
    finally:
        api_server.state.write(lambda db: db.execute(change, (before, *key)))
        api_server.services.sessions.invalidate()


def test_no_altered_row_hides_another_or_is_an_internal_error(
    api_server: ApiServer, things: Things
) -> None:
    triggers = query(api_server, "SELECT name FROM sqlite_schema WHERE type = 'trigger'")
    api_server.state.write(lambda db: [db.execute(f"DROP TRIGGER {name}") for (name,) in triggers])
    client = api_server.session("alice@example.com")
    before, reads = {}, {}
    for key in SHOWING:
        api_server.services.sessions.invalidate()  # who asks is read again with each
        with Reads(api_server).noted() as reads[key]:
            before[key] = call(client, key, things)
    assert {key for key, answer in before.items() if answer.status not in (200, 404)} == set()
    wrong = []
    for column in columns(api_server):
        is_alone = len(rows_of(api_server, column)[1]) == 1
        places = (0,) if is_alone else (0, -1)
        for text, which in product(("x",) if column.is_time else ALTERED, places):
            with altered(api_server, column, text, which):
                for key in SHOWING:
                    if column[:2] not in reads[key]:
                        continue
                    answer = call(client, key, things)
                    is_fine = (
                        is_plain(answer) if key == RUNNERS else is_as_good(answer, before[key])
                    )
                    if not is_fine:
                        wrong.append(
                            (column, text, which, key, answer.status, answer.content[:200])
                        )
    assert wrong == [], "\n".join(map(str, wrong))


def is_as_good(answer: Answer, before: Answer) -> bool:
    """Return whether a list shows as much as before.

    One thing alone may be refused, in plain words.
    """
    if not before.content.startswith(b'{"items":'):
        return answer.status == before.status or is_plain(answer)
    return answer.status == 200 and len(answer.json["items"]) == len(before.json["items"])


def is_plain(answer: Answer) -> bool:
    """Return whether something is shown, or refused in plain words."""
    return answer.status == 200 or (answer.status == 409 and answer.json["code"] == "unreadable")
