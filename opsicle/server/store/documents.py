"""SQL of what templates, policies, schedules, triggers and targets share: they are documents.

They have numbered versions. A version never changes; deleting a document only frees its name. What
only one kind has stands in a file of its own.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import apsw

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all, fetch_one, fetch_value, has_changed


class DocumentKind(StrEnum):
    """What people push. Each kind has a table of its own, and one of its versions."""

    TEMPLATE = "template"
    POLICY = "policy"
    SCHEDULE = "schedule"
    TRIGGER = "trigger"
    TARGET = "target"

    @property
    def plural(self) -> str:
        """Its table, the first part of its name in the record, and its command."""
        return "policies" if self is DocumentKind.POLICY else f"{self}s"


class NewestRow(Row, frozen=True):
    """The newest version of a document without its content."""

    document_id: str
    version: int
    digest: str


class NewVersionRow(Row, frozen=True):
    """A version to be recorded: `source` as it was pushed, `document` what it says, as JSON.

    `message` is why, in the words of whoever has pushed it.
    """

    document_id: str
    version: int
    digest: str
    source: str
    document: str
    pusher_id: str
    pushed_at: datetime
    message: str = ""


class VersionRow(Row, frozen=True):
    """One version whole; `is_deleted` is of the document."""

    document_id: str
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
    message: str


def with_tables(kind: DocumentKind, sql: str) -> str:
    """Return a statement of the store with the names of this kind's tables in it."""
    return sql.format(documents=kind.plural, versions=f"{kind}_versions", document_id=f"{kind}_id")


SELECT_VERSION = """
    SELECT d.id, d.name, d.latest_version, d.deleted_at IS NOT NULL, v.version, v.digest, v.source,
           v.document, u.id, u.email, u.name, v.pushed_at, v.message
      FROM {documents} d
      JOIN {versions} v ON v.{document_id} = d.id
      JOIN users u ON u.id = v.pushed_by
"""
"""The columns of a `VersionRow`, for `with_tables`."""


def insert(
    db: apsw.Connection, kind: DocumentKind, org_id: str, document_id: str, name: str, at: datetime
) -> None:
    """Record a new document, to be given its first version in the same transaction."""
    sql = """
        INSERT INTO {documents} (id, org_id, name, latest_version, created_at, updated_at)
        VALUES (:id, :org_id, :name, 0, :at, :at)
    """
    given = {"id": document_id, "org_id": org_id, "name": name, "at": to_text(at)}
    db.execute(with_tables(kind, sql), given)


def insert_version(
    db: apsw.Connection, kind: DocumentKind, org_id: str, row: NewVersionRow
) -> None:
    """Record a version."""
    sql = """
        INSERT INTO {versions} (org_id, {document_id}, version, digest, source, document, pushed_by,
                                pushed_at, message)
        VALUES (:org_id, :document_id, :version, :digest, :source, :document, :pushed_by,
                :pushed_at, :message)
    """
    given = {
        "org_id": org_id,
        "document_id": row.document_id,
        "version": row.version,
        "digest": row.digest,
        "source": row.source,
        "document": row.document,
        "pushed_by": row.pusher_id,
        "pushed_at": to_text(row.pushed_at),
        "message": row.message,
    }
    db.execute(with_tables(kind, sql), given)


def advance(
    db: apsw.Connection, kind: DocumentKind, document_id: str, version: int, at: datetime
) -> bool:
    """Make `version` the newest.

    Return False if it does not follow the newest one: someone was first.
    """
    sql = """
        UPDATE {documents}
           SET latest_version = :version, updated_at = :at
         WHERE id = :id AND latest_version = :version - 1 AND deleted_at IS NULL
    """
    return has_changed(
        db, with_tables(kind, sql), {"id": document_id, "version": version, "at": to_text(at)}
    )


def delete(db: apsw.Connection, kind: DocumentKind, org_id: str, name: str, at: datetime) -> bool:
    """Take a document out of use. Return False if there is none.

    Its versions stay, for the automations that ran them and the approvals that followed them.
    """
    sql = """
        UPDATE {documents}
           SET deleted_at = :at
         WHERE org_id = :org_id AND name = :name AND deleted_at IS NULL
    """
    return has_changed(
        db, with_tables(kind, sql), {"org_id": org_id, "name": name, "at": to_text(at)}
    )


def count(db: apsw.Connection, kind: DocumentKind, org_id: str) -> int:
    """Return how many documents of a kind an org has."""
    sql = "SELECT count(*) FROM {documents} WHERE org_id = :org_id AND deleted_at IS NULL"
    return int(fetch_value(db, with_tables(kind, sql), {"org_id": org_id}))


def find_newest(
    db: apsw.Connection, kind: DocumentKind, org_id: str, name: str
) -> NewestRow | None:
    """Return the newest version of a document of this org that is not deleted, or None."""
    sql = """
        SELECT d.id, v.version, v.digest
          FROM {documents} d
          JOIN {versions} v ON v.{document_id} = d.id AND v.version = d.latest_version
         WHERE d.org_id = :org_id AND d.name = :name AND d.deleted_at IS NULL
    """
    return fetch_one(db, with_tables(kind, sql), {"org_id": org_id, "name": name}, NewestRow)


def find(
    db: apsw.Connection, kind: DocumentKind, org_id: str, name: str, version: int | None = None
) -> VersionRow | None:
    """Return a version of a document of this org, or None if it is absent or deleted.

    `version` None is for the newest.
    """
    where = """
         WHERE d.org_id = :org_id AND d.name = :name AND d.deleted_at IS NULL
           AND v.version = coalesce(:version, d.latest_version)
    """
    given = {"org_id": org_id, "name": name, "version": version}
    return fetch_one(db, with_tables(kind, SELECT_VERSION + where), given, VersionRow)


def list_by_name(
    db: apsw.Connection, kind: DocumentKind, org_id: str, after_name: str, limit: int
) -> list[VersionRow]:
    """Return an org's documents by name, in their newest versions, after `after_name`."""
    where = """
         WHERE d.org_id = :org_id
           AND d.name > :after
           AND d.deleted_at IS NULL
           AND v.version = d.latest_version
         ORDER BY d.name LIMIT :limit
    """
    given = {"org_id": org_id, "after": after_name, "limit": limit}
    return fetch_all(db, with_tables(kind, SELECT_VERSION + where), given, VersionRow)


def list_versions(
    db: apsw.Connection, kind: DocumentKind, org_id: str, name: str, before: int, limit: int
) -> list[VersionRow]:
    """Versions below `before` of a document that is not deleted, newest first."""
    where = """
         WHERE d.org_id = :org_id
           AND d.name = :name
           AND d.deleted_at IS NULL
           AND v.version < :before
         ORDER BY v.version DESC LIMIT :limit
    """
    given = {"org_id": org_id, "name": name, "before": before, "limit": limit}
    return fetch_all(db, with_tables(kind, SELECT_VERSION + where), given, VersionRow)
