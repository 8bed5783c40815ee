"""SQL of targets, beside what `documents.py` has of all documents."""

from __future__ import annotations

import apsw

from opsicle.server.store.rows import Row, fetch_all


class NewestTargetRow(Row, frozen=True):
    """The newest version of a target: what it says, as JSON."""

    name: str
    document: str


def list_newest(db: apsw.Connection, org_id: str) -> list[NewestTargetRow]:
    """Return all targets of an org by name."""
    sql = """
        SELECT t.name, v.document
          FROM targets t
          JOIN target_versions v ON v.target_id = t.id AND v.version = t.latest_version
         WHERE t.org_id = :org_id AND t.deleted_at IS NULL
         ORDER BY t.name
    """
    return fetch_all(db, sql, {"org_id": org_id}, NewestTargetRow)
