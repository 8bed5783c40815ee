"""SQL of approval policies and their versions. A version never changes; deleting a policy only frees its name."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.domain.errors import NotFound
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one


class PolicyRow(Row, frozen=True):
    """One version of a policy: `source` is the document as it was pushed, `document` the policy as JSON."""

    policy_id: str
    name: str
    latest_version: int
    is_deleted: bool
    version: int
    digest: str
    source: str
    document: str
    pusher_id: str
    pusher_email: str
    pusher_name: str
    pushed_at: datetime


_SELECT = """
    SELECT p.id, p.name, p.latest_version, p.deleted_at IS NOT NULL, v.version, v.digest, v.source, v.document,
           u.id, u.email, u.name, v.pushed_at
      FROM policies p
      JOIN policy_versions v ON v.policy_id = p.id
      JOIN users u ON u.id = v.pushed_by
"""


def insert(db: apsw.Connection, org_id: str, policy_id: str, name: str, at: datetime) -> None:
    """Record a new policy, to be given its first version in the same transaction."""
    db.execute(
        """
        INSERT INTO policies (id, org_id, name, latest_version, created_at, updated_at)
        VALUES (:id, :org_id, :name, 0, :at, :at)
        """,
        {"id": policy_id, "org_id": org_id, "name": name, "at": to_text(at)},
    )


def insert_version(db: apsw.Connection, org_id: str, row: PolicyRow) -> None:
    """Record a version."""
    db.execute(
        """
        INSERT INTO policy_versions (org_id, policy_id, version, digest, source, document, pushed_by, pushed_at)
        VALUES (:org_id, :policy_id, :version, :digest, :source, :document, :pushed_by, :pushed_at)
        """,
        {
            "org_id": org_id,
            "policy_id": row.policy_id,
            "version": row.version,
            "digest": row.digest,
            "source": row.source,
            "document": row.document,
            "pushed_by": row.pusher_id,
            "pushed_at": to_text(row.pushed_at),
        },
    )


def advance(db: apsw.Connection, policy_id: str, version: int, at: datetime) -> bool:
    """Make `version` the newest. False if it does not follow the newest one: someone was first."""
    db.execute(
        """
        UPDATE policies SET latest_version = :version, updated_at = :at
         WHERE id = :id AND latest_version = :version - 1 AND deleted_at IS NULL
        """,
        {"id": policy_id, "version": version, "at": to_text(at)},
    )
    return db.changes() == 1


def find(db: apsw.Connection, org_id: str, name: str, version: int | None = None) -> PolicyRow | None:
    """One version of a policy of this org that is not deleted (None: the newest), or None."""
    return fetch_one(
        db,
        _SELECT
        + """
         WHERE p.org_id = :org_id AND p.name = :name AND p.deleted_at IS NULL
           AND v.version = coalesce(:version, p.latest_version)
        """,
        {"org_id": org_id, "name": name, "version": version},
        PolicyRow,
    )


def find_newest(db: apsw.Connection, org_id: str, policy_id: str) -> PolicyRow | None:
    """The newest version of a policy by its id, also of one that has been deleted, or None."""
    where = "WHERE p.org_id = :org_id AND p.id = :id AND v.version = p.latest_version"
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "id": policy_id}, PolicyRow)


def get(db: apsw.Connection, org_id: str, name: str, version: int | None = None) -> PolicyRow:
    """Like `find`. Raises NotFound for an absent and for another org's one alike."""
    row = find(db, org_id, name, version)
    if row is None:
        raise not_found(name, version)
    return row


def not_found(name: str, version: int | None = None) -> NotFound:
    """The error for a policy, or a version of one, that this org does not have."""
    what = f"policy {name}" if version is None else f"version {version} of a policy {name}"
    return NotFound(f"there is no {what}", hint="`opsicle policies list` shows them.")


def list_by_name(db: apsw.Connection, org_id: str, after_name: str, limit: int) -> list[PolicyRow]:
    """An org's policies by name in their newest versions, from the first one after `after_name`."""
    return fetch_all(
        db,
        _SELECT
        + """
         WHERE p.org_id = :org_id AND p.name > :after AND p.deleted_at IS NULL AND v.version = p.latest_version
         ORDER BY p.name LIMIT :limit
        """,
        {"org_id": org_id, "after": after_name, "limit": limit},
        PolicyRow,
    )


def list_applying(db: apsw.Connection, org_id: str) -> list[PolicyRow]:
    """The policies of an org that apply by themselves to something, in their newest versions, by name."""
    return fetch_all(
        db,
        _SELECT
        + """
         WHERE v.org_id = :org_id AND json_type(v.document, '$.applies_to') IS NOT NULL
           AND v.version = p.latest_version AND p.deleted_at IS NULL
         ORDER BY p.name
        """,
        {"org_id": org_id},
        PolicyRow,
    )


def list_versions(db: apsw.Connection, org_id: str, name: str, before: int, limit: int) -> list[PolicyRow]:
    """Versions below `before` of a policy that is not deleted, newest first."""
    return fetch_all(
        db,
        _SELECT
        + """
         WHERE p.org_id = :org_id AND p.name = :name AND p.deleted_at IS NULL AND v.version < :before
         ORDER BY v.version DESC LIMIT :limit
        """,
        {"org_id": org_id, "name": name, "before": before, "limit": limit},
        PolicyRow,
    )


def delete(db: apsw.Connection, org_id: str, name: str, at: datetime) -> bool:
    """Take a policy out of use; its versions stay for the approvals that followed them. False if there is none."""
    db.execute(
        """
        UPDATE policies SET deleted_at = :at
         WHERE org_id = :org_id AND name = :name AND deleted_at IS NULL
        """,
        {"org_id": org_id, "name": name, "at": to_text(at)},
    )
    return db.changes() == 1
