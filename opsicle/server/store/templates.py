"""SQL of templates and their versions.

A version never changes; deleting a template only frees its name.
"""

from __future__ import annotations

from datetime import datetime

import apsw

from opsicle.domain.errors import NotFound
from opsicle.kit.clock import to_text
from opsicle.server.store.documents import VersionRow
from opsicle.server.store.rows import (
    Row,
    fetch_all,
    fetch_column,
    fetch_one,
    fetch_text,
    fetch_value,
)


class TemplateRow(Row, frozen=True):
    """One template with its newest version.

    `digest` is of its content, `header` the JSON without what it runs.
    """

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
    message: str


_SELECT = """
    SELECT t.id, t.name, t.latest_version, t.created_at, t.updated_at, v.digest,
           iif(json_valid(v.document),
               json_remove(v.document, '$.phases', '$.plan', '$.variables'),
               v.document)
      FROM templates t
      JOIN template_versions v ON v.template_id = t.id AND v.version = t.latest_version
"""


def find(db: apsw.Connection, org_id: str, name: str) -> TemplateRow | None:
    """Return a template of this org that is not deleted, or None."""
    where = "WHERE t.org_id = :org_id AND t.name = :name AND t.deleted_at IS NULL"
    return fetch_one(db, _SELECT + where, {"org_id": org_id, "name": name}, TemplateRow)


def find_newest(db: apsw.Connection, org_id: str, name: str) -> str | None:
    """Return the document of a template's newest version, or None if it is deleted.

    Whole: whoever asks has decoded the same text before, and to take a part out costs more.
    """
    return fetch_text(
        db,
        """
        SELECT v.document
          FROM templates t
          JOIN template_versions v ON v.template_id = t.id AND v.version = t.latest_version
         WHERE t.org_id = :org_id AND t.name = :name AND t.deleted_at IS NULL
        """,
        {"org_id": org_id, "name": name},
    )


def list_naming(db: apsw.Connection, org_id: str, policy: str, limit: int) -> list[str]:
    """Return the documents of the newest versions of an org's templates that name this policy."""
    found = fetch_column(
        db,
        """
        SELECT v.document
          FROM templates t
          JOIN template_versions v ON v.template_id = t.id AND v.version = t.latest_version
         WHERE t.org_id = :org_id AND t.deleted_at IS NULL
           AND iif(json_valid(v.document),
                   v.document ->> '$.approval_policy.policy_ref' = :policy,
                   0)
         ORDER BY t.name LIMIT :limit
        """,
        {"org_id": org_id, "policy": policy, "limit": limit},
    )
    return [str(each) for each in found]


def list_by_name(
    db: apsw.Connection, org_id: str, after_name: str, limit: int
) -> list[TemplateRow]:
    """Return an org's templates by name, from the first one after `after_name`."""
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


def insert_draft(db: apsw.Connection, org_id: str, draft_id: str, name: str, at: datetime) -> None:
    """Record what is only tried, to be given its version 0 in the same transaction.

    It is out of use from the beginning, so that nothing finds it by its name.
    """
    db.execute(
        """
        INSERT INTO templates (id, org_id, name, latest_version, created_at, updated_at, deleted_at)
        VALUES (:id, :org_id, :name, 0, :at, :at, :at)
        """,
        {"id": draft_id, "org_id": org_id, "name": name, "at": to_text(at)},
    )


def find_draft(db: apsw.Connection, org_id: str, draft_id: str) -> VersionRow | None:
    """Return a draft of this org, or None.

    Its `latest_version` is the newest that was pushed under its name, 0 if none was.
    """
    return fetch_one(
        db,
        """
        SELECT d.id, d.name,
               coalesce((SELECT t.latest_version
                           FROM templates t
                          WHERE t.org_id = d.org_id AND t.name = d.name AND t.deleted_at IS NULL),
                        0),
               1, v.version, v.digest, v.source, v.document, u.id, u.email, u.name, v.pushed_at,
               v.message
          FROM templates d
          JOIN template_versions v ON v.template_id = d.id
          JOIN users u ON u.id = v.pushed_by
         WHERE d.id = :id AND d.org_id = :org_id AND v.version = 0
        """,
        {"id": draft_id, "org_id": org_id},
        VersionRow,
    )


def list_versions(
    db: apsw.Connection, org_id: str, name: str, before: int, limit: int
) -> list[VersionSummaryRow]:
    """Return the versions below `before` of a template that is not deleted, newest first."""
    return fetch_all(
        db,
        """
        SELECT v.version, v.digest, u.id, u.email, u.name, v.pushed_at, v.message
          FROM template_versions v
          JOIN templates t ON t.id = v.template_id
          JOIN users u ON u.id = v.pushed_by
         WHERE t.org_id = :org_id
           AND t.name = :name
           AND t.deleted_at IS NULL
           AND v.version < :before
         ORDER BY v.version DESC LIMIT :limit
        """,
        {"org_id": org_id, "name": name, "before": before, "limit": limit},
        VersionSummaryRow,
    )


def get_document(db: apsw.Connection, template_id: str, version: int) -> str:
    """Return a version's document, also of a template that has been deleted. Raises NotFound."""
    document = fetch_value(
        db,
        """
        SELECT document
          FROM template_versions
         WHERE template_id = :template_id
           AND version = :version
        """,
        {"template_id": template_id, "version": version},
    )
    if document is None:
        raise NotFound(f"there is no version {version} of this template")
    return str(document)


def get_source(db: apsw.Connection, template_id: str, version: int) -> str:
    """Return a version as it was pushed, also of a template that has been deleted.

    Return "" if there is none.
    """
    sql = """
        SELECT source
          FROM template_versions
         WHERE template_id = :template_id
           AND version = :version
    """
    return str(fetch_value(db, sql, {"template_id": template_id, "version": version}) or "")
