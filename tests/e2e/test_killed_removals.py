"""A server that is killed while it removes an org goes on with that when it is back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.e2e.conftest import Use
from tests.e2e.test_kills import assert_sound
from tests.product import CHECKOUT, Installation
from tests.support import wait_until
from tests.thin_api import Api

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

HASTY = f"""
import sys
sys.path.insert(0, {str(CHECKOUT)!r})
from opsicle.server import background
background._REMOVE_ORGS_EVERY_SECONDS = 0.5  # in place of half a minute
from opsicle.cli import main
main()
"""

ROWS = 50_000
MANY = """
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)
    INSERT INTO idempotency_keys
    SELECT o.id, m.user_id, 'key ' || n.i, 'd', 'r', strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
      FROM n, orgs o JOIN memberships m ON m.org_id = o.id WHERE o.code = 'globex'
"""
"""So many that removing them takes a hundred steps."""


@contextmanager
def opened(installation: Installation) -> Iterator[sqlite3.Connection]:
    """Open the server's database beside it."""
    path = installation.server.folder / "data/opsicle.db"
    with closing(sqlite3.connect(path, timeout=60)) as database:
        yield database


def counted(installation: Installation, sql: str) -> int:
    with opened(installation) as database:
        return int(database.execute(sql).fetchone()[0])


def test_a_server_killed_in_the_midst_of_removing_an_org_completes_that_when_it_is_back(
    installation: Installation, tmp_path: Path, use: Use
) -> None:
    installation.admin.cli("orgs", "create", "globex")
    installation.server.process.stop()
    with opened(installation) as database:
        database.execute(MANY, {"rows": ROWS})
        database.commit()
    hasty = tmp_path / "hasty.py"
    hasty.write_text(HASTY)
    use(hasty)
    installation.server.is_warm = False
    installation.server.start()

    with Api(installation.access()) as api:
        body = {"confirm": "globex", "grace_days": 0}
        api.retry("POST", "/api/v1/server/orgs/globex/delete", body)
        left = "SELECT count(*) FROM idempotency_keys"
        wait_until(
            lambda: 0 < counted(installation, left) < ROWS, 60, "the removal to be under way"
        )
        installation.server.process.kill()
        at_the_kill = counted(installation, left)
        under_way = counted(installation, "SELECT count(*) FROM org_removals")

        installation.server.start()
        wait_until(
            lambda: (
                [org["code"] for org in api.retry("GET", "/api/v1/server/orgs")["items"]]
                == ["acme"]
            ),
            60,
            "the org to be gone",
        )

    assert 0 < at_the_kill < ROWS
    assert under_way == 1
    with opened(installation) as database:
        recorded = database.execute(
            "SELECT verb, data ->> 'rows' FROM audit_entries"
            " WHERE org_id = '' AND resource = 'orgs/globex' ORDER BY seq"
        ).fetchall()
        assert database.execute("SELECT code FROM orgs").fetchall() == [("acme",)]
        assert counted(installation, left) == 0
    assert [verb for verb, _ in recorded][-3:] == ["delete", "begin_removal", "remove"]
    assert int(recorded[-1][1]) > ROWS, "what went before the kill counts too"
    assert_sound(installation)
