"""Every table comes along with an org that moves, or stays behind."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw

from opsicle.server.store import migrations, org_tables


def test_every_table_comes_along_or_is_left_behind_for_a_reason(tmp_path: Path) -> None:
    for name, folder in (("s", migrations.STATE_MIGRATIONS), ("l", migrations.LOG_MIGRATIONS)):
        migrations.migrate(tmp_path / name, folder)
    tables = set()
    for name in ("s", "l"):
        with closing(apsw.Connection(str(tmp_path / name))) as db:
            query = (
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            )
            tables |= {str(table) for (table,) in db.execute(query)}

    decided = [
        org_tables.STATE_TABLES, org_tables.CHECKPOINT_TABLES, org_tables.LOG_TABLES,
        org_tables.LEFT_BEHIND, {org_tables.USERS: ""},
    ]  # fmt: skip
    assert sorted(name for each in decided for name in each) == sorted(tables)
    assert all(org_tables.LEFT_BEHIND.values())
