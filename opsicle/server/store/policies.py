"""SQL of approval policies, beside what `documents.py` has of all documents."""

from __future__ import annotations

import apsw

from opsicle.server.store.documents import SELECT_VERSION, DocumentKind, VersionRow, with_tables
from opsicle.server.store.rows import fetch_all, fetch_one

_SELECT = with_tables(DocumentKind.POLICY, SELECT_VERSION)


def find_newest(db: apsw.Connection, org_id: str, policy_id: str) -> VersionRow | None:
    """Return the newest version of a policy by its id, deleted or not, or None."""
    where = "WHERE d.org_id = :org_id AND d.id = :id AND v.version = d.latest_version"
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "id": policy_id}, VersionRow)


def list_applying(db: apsw.Connection, org_id: str) -> list[VersionRow]:
    """Return an org's policies that apply by themselves, in their newest versions, by name."""
    return fetch_all(
        db,
        _SELECT
        + """
         WHERE v.org_id = :org_id AND json_type(v.document, '$.applies_to') IS NOT NULL
           AND v.version = d.latest_version AND d.deleted_at IS NULL
         ORDER BY d.name
        """,
        {"org_id": org_id},
        VersionRow,
    )
