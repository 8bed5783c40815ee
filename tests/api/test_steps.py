"""What the event loop does for a request does not grow with the history behind it.

Counted in SQLite's own steps on the two connections that the loop uses, once with little and once
with much behind them; what runs in a thread has connections of its own. Time is not asked, so that
a busy machine changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.route_walk import MAY, Things, call, prepare
from tests.api.running_server import ApiServer

ROWS = 5_000
COUNTED_AT_ONCE = 50
ALLOWED = 2 * ROWS
"""Steps more than before: a walk through the history takes several for each row.

A page of fifty automations, which there were not before, takes a hundred for each of its own.
"""

ENDLESS = {"GET /api/v1/events", "GET /api/v1/automations/<automation_id>/events"}
SHOWING = [key for key in MAY if key.startswith("GET") and key not in ENDLESS]
NARROWED = (
    "GET /api/v1/automations?state=failed",
    "GET /api/v1/automations?template=restart-web",
    "GET /api/v1/automations?requester=alice@example.com",
    "GET /api/v1/approvals?whose=all",
    "GET /api/v1/audit?verb=push",
    "GET /api/v1/audit?resource=templates/restart-web",
)


class Steps:
    """Counts what both connections of the loop do.

    A write costs the same whatever is asked, so it counts too.
    """

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> bool:
        self.count += COUNTED_AT_ONCE
        return False


@contextmanager
def counted(api_server: ApiServer) -> Iterator[Steps]:
    steps = Steps()
    connections = (api_server.state._reader, api_server.state._writer)
    for connection in connections:
        connection.set_progress_handler(steps, COUNTED_AT_ONCE)
    try:
        yield steps
    finally:
        for connection in connections:
            connection.set_progress_handler(None)


def multiply(api_server: ApiServer, table: str, **changes: str) -> None:
    """Put `ROWS` copies of a table's first row into it, each with these columns changed.

    SQL in which n counts.
    """
    columns = [
        name
        for (name,) in api_server.state.read(
            lambda db: db.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchall()
        )
    ]
    selected = ", ".join(changes.get(name, f"first.{name}") for name in columns)
    api_server.state.write(
        lambda db: db.execute(
            f"""
            WITH RECURSIVE numbers (n) AS (
                SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {ROWS}
            )
            INSERT INTO {table} ({", ".join(columns)})
            SELECT {selected} FROM numbers, (SELECT * FROM {table} ORDER BY 1 LIMIT 1) first
            """
        )
    )


@pytest.fixture
def things(api_server: ApiServer) -> Things:
    api_server.person("acme", "bob", BuiltInRole.OPERATOR)
    return prepare(api_server, "acme", "alice@example.com", "restart-web")


def test_no_route_walks_through_the_history_on_the_event_loop(
    api_server: ApiServer, things: Things
) -> None:
    client, routes = api_server.session("alice@example.com"), (*SHOWING, *NARROWED)

    def measured() -> dict[str, int]:
        found = {}
        for key in routes:
            with counted(api_server) as steps:
                assert call(client, key, things).status != 500, key
            found[key] = steps.count
        return found

    measured()  # what is prepared and remembered once
    before = measured()
    triggers = api_server.state.read(
        lambda db: db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    )
    api_server.state.write(lambda db: [db.execute(f"DROP TRIGGER {name}") for (name,) in triggers])
    multiply(
        api_server,
        "automations",
        id="printf('00%024d', n)",
        state="'succeeded'",
        finished_at="first.created_at",
    )
    multiply(
        api_server,
        "audit_entries",
        org_id=f"'{api_server.actor('alice@example.com').org_id}'",
        seq="1000000 + n",
        verb="'run'",
    )
    multiply(api_server, "deliveries", id="printf('00%024d', n)", state="'delivered'")
    multiply(api_server, "sessions", id="printf('00%024d', n)", token_hash="'x' || n")
    api_server.services.sessions.invalidate()

    with counted(api_server) as walk:
        api_server.state.read(
            lambda db: db.execute(
                "SELECT count(*) FROM automations WHERE reason = 'none'"
            ).fetchone()
        )
    assert walk.count > ALLOWED, "else nothing would be noticed"

    after = measured()

    grown = {key: (before[key], after[key]) for key in routes if after[key] > before[key] + ALLOWED}
    assert grown == {}
