"""SQL of templates and their versions. A version never changes; deleting a template only frees its name."""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.domain.errors import NotFound
from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_column, fetch_one, fetch_value


class TemplateRow(Row, frozen=True):
    """One template with its newest version: `digest` of its content, `header` the JSON without what it runs."""

    id: str
    name: str
    latest_version: int
    created_at: datetime
    updated_at: datetime
    digest: str
    header: str


class VersionSummaryRow(Row, frozen=True):
    """One version without its content."""

    version: int
    digest: str
    pusher_id: str
    pusher_email: str
    pusher_name: str
    pushed_at: datetime


class VersionRow(Row, frozen=True):
    """One version whole: `source` is the document as it was pushed, `document` the parsed template as JSON."""

    template_id: str
    name: str
    latest_version: int
    version: int
    digest: str
    source: str
    document: str
    pusher_id: str
    pusher_email: str
    pusher_name: str
    pushed_at: datetime


_SELECT = """
    SELECT t.id, t.name, t.latest_version, t.created_at, t.updated_at, v.digest,
           iif(json_valid(v.document), json_remove(v.document, '$.phases', '$.plan', '$.variables'), v.document)
      FROM templates t
      JOIN template_versions v ON v.template_id = t.id AND v.version = t.latest_version
"""

_SELECT_VERSION = """
    SELECT t.id, t.name, t.latest_version, v.version, v.digest, v.source, v.document, u.id, u.email, u.name, v.pushed_at
      FROM template_versions v
      JOIN templates t ON t.id = v.template_id
      JOIN users u ON u.id = v.pushed_by
"""


def insert(db: apsw.Connection, org_id: str, template_id: str, name: str, at: datetime) -> None:
    """Record a new template, to be given its first version in the same transaction."""
    db.execute(
        """
        INSERT INTO templates (id, org_id, name, latest_version, created_at, updated_at)
        VALUES (:id, :org_id, :name, 0, :at, :at)
        """,
        {"id": template_id, "org_id": org_id, "name": name, "at": to_text(at)},
    )


def insert_version(db: apsw.Connection, org_id: str, row: VersionRow) -> None:
    """Record a version."""
    db.execute(
        """
        INSERT INTO template_versions (org_id, template_id, version, digest, source, document, pushed_by, pushed_at)
        VALUES (:org_id, :template_id, :version, :digest, :source, :document, :pushed_by, :pushed_at)
        """,
        {
            "org_id": org_id,
            "template_id": row.template_id,
            "version": row.version,
            "digest": row.digest,
            "source": row.source,
            "document": row.document,
            "pushed_by": row.pusher_id,
            "pushed_at": to_text(row.pushed_at),
        },
    )


def advance(db: apsw.Connection, template_id: str, version: int, at: datetime) -> bool:
    """Make `version` the newest. False if it does not follow the newest one: someone was first."""
    db.execute(
        """
        UPDATE templates SET latest_version = :version, updated_at = :at
         WHERE id = :id AND latest_version = :version - 1 AND deleted_at IS NULL
        """,
        {"id": template_id, "version": version, "at": to_text(at)},
    )
    return db.changes() == 1


def find(db: apsw.Connection, org_id: str, name: str) -> TemplateRow | None:
    """A template of this org that is not deleted, or None."""
    where = "WHERE t.org_id = :org_id AND t.name = :name AND t.deleted_at IS NULL"
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "name": name}, TemplateRow)


def find_approval(db: apsw.Connection, org_id: str, name: str) -> str | None:
    """What the newest version of a template that is not deleted says of approvals: a header of that alone, or None."""
    found = fetch_value(
        db,
        """
        SELECT iif(json_valid(v.document), json_object('approval_policy', v.document -> '$.approval_policy'), '')
          FROM templates t
          JOIN template_versions v ON v.template_id = t.id AND v.version = t.latest_version
         WHERE t.org_id = :org_id AND t.name = :name AND t.deleted_at IS NULL
        """,
        {"org_id": org_id, "name": name},
    )
    return str(found) if found is not None else None


def list_naming(db: apsw.Connection, org_id: str, policy: str, limit: int) -> list[str]:
    """The documents of the newest versions of an org's templates that name this policy."""
    found = fetch_column(
        db,
        """
        SELECT v.document
          FROM templates t
          JOIN template_versions v ON v.template_id = t.id AND v.version = t.latest_version
         WHERE t.org_id = :org_id AND t.deleted_at IS NULL
           AND iif(json_valid(v.document), v.document ->> '$.approval_policy.policy_ref' = :policy, 0)
         ORDER BY t.name LIMIT :limit
        """,
        {"org_id": org_id, "policy": policy, "limit": limit},
    )
    return [str(each) for each in found]


def list_by_name(db: apsw.Connection, org_id: str, after_name: str, limit: int) -> list[TemplateRow]:
    """An org's templates by name, from the first one after `after_name`."""
    return fetch_all(
        db,
        _SELECT
        + """
         WHERE t.org_id = :org_id AND t.name > :after AND t.deleted_at IS NULL
         ORDER BY t.name LIMIT :limit
        """,
        {"org_id": org_id, "after": after_name, "limit": limit},
        TemplateRow,
    )


def find_version(db: apsw.Connection, org_id: str, name: str, version: int | None = None) -> VersionRow | None:
    """One version of a template that is not deleted (None: the newest), or None."""
    return fetch_one(
        db,
        _SELECT_VERSION
        + """
         WHERE t.org_id = :org_id AND t.name = :name AND t.deleted_at IS NULL
           AND v.version = coalesce(:version, t.latest_version)
        """,
        {"org_id": org_id, "name": name, "version": version},
        VersionRow,
    )


def get_version(db: apsw.Connection, org_id: str, name: str, version: int | None = None) -> VersionRow:
    """Like `find_version`. Raises NotFound for an absent and for another org's one alike."""
    row = find_version(db, org_id, name, version)
    if row is None:
        raise not_found(name, version)
    return row


def not_found(name: str, version: int | None = None) -> NotFound:
    """The error for a template, or a version of one, that this org does not have."""
    what = f"template {name}" if version is None else f"version {version} of a template {name}"
    return NotFound(f"there is no {what}", hint="`opsicle templates list` shows them.")


def list_versions(db: apsw.Connection, org_id: str, name: str, before: int, limit: int) -> list[VersionSummaryRow]:
    """Versions below `before` of a template that is not deleted, newest first."""
    return fetch_all(
        db,
        """
        SELECT v.version, v.digest, u.id, u.email, u.name, v.pushed_at
          FROM template_versions v
          JOIN templates t ON t.id = v.template_id
          JOIN users u ON u.id = v.pushed_by
         WHERE t.org_id = :org_id AND t.name = :name AND t.deleted_at IS NULL AND v.version < :before
         ORDER BY v.version DESC LIMIT :limit
        """,
        {"org_id": org_id, "name": name, "before": before, "limit": limit},
        VersionSummaryRow,
    )


def get_document(db: apsw.Connection, template_id: str, version: int) -> str:
    """A version's document, also of a template that has been deleted. Raises NotFound."""
    document = fetch_value(
        db,
        "SELECT document FROM template_versions WHERE template_id = :template_id AND version = :version",
        {"template_id": template_id, "version": version},
    )
    if document is None:
        raise NotFound(f"there is no version {version} of this template")
    return str(document)


def get_source(db: apsw.Connection, template_id: str, version: int) -> str:
    """A version as it was pushed, also of a template that has been deleted; "" if there is none."""
    sql = "SELECT source FROM template_versions WHERE template_id = :template_id AND version = :version"
    return str(fetch_value(db, sql, {"template_id": template_id, "version": version}) or "")


def delete(db: apsw.Connection, org_id: str, name: str, at: datetime) -> bool:
    """Take a template out of use; its versions stay for the automations that used them. False if there is none."""
    db.execute(
        """
        UPDATE templates SET deleted_at = :at
         WHERE org_id = :org_id AND name = :name AND deleted_at IS NULL
        """,
        {"org_id": org_id, "name": name, "at": to_text(at)},
    )
    return db.changes() == 1
