"""SQL of an org's roles, beside what `rule_sets.py` has of them."""

from __future__ import annotations

import apsw

from opsicle.server.store.rows import fetch_value, has_changed


def delete(db: apsw.Connection, org_id: str, name: str) -> bool:
    """Remove a role that nobody has.

    Return False if there is none of that name, or somebody has it.
    """
    return has_changed(
        db,
        """
        DELETE FROM roles
         WHERE org_id = :org_id AND name = :name
           AND NOT EXISTS (SELECT 1 FROM memberships WHERE org_id = :org_id AND role = :name)
        """,
        {"org_id": org_id, "name": name},
    )


def count_members(db: apsw.Connection, org_id: str, name: str) -> int:
    """Return how many people of the org have this role."""
    sql = "SELECT count(*) FROM memberships WHERE org_id = :org_id AND role = :name"
    return int(fetch_value(db, sql, {"org_id": org_id, "name": name}))
