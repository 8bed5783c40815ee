"""What all orgs have pushed and what of theirs is open, for whoever looks at a whole server."""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from opsicle.domain.automations import UNFINISHED
from opsicle.server.store.documents import DocumentKind, with_tables
from opsicle.server.store.rows import Row, fetch_all, index_condition

_AT_ONCE = 500


class SourceRow(Row, frozen=True):
    """The newest version of a document, as it was pushed."""

    id: str
    org_code: str
    name: str
    version: int
    source: str


class OpenFormatRow(Row, frozen=True):
    """How many automations that have not ended are bound to a format of manifests."""

    manifest_format: int
    count: int


def newest_sources(db: apsw.Connection, kind: DocumentKind) -> Iterator[SourceRow]:
    """Return the newest version of every document of a kind that is not deleted."""
    sql = """
        SELECT d.id, o.code, d.name, v.version, v.source
          FROM {documents} d
          JOIN {versions} v ON v.{document_id} = d.id AND v.version = d.latest_version
          JOIN orgs o ON o.id = d.org_id
         WHERE d.deleted_at IS NULL AND d.id > :after
         ORDER BY d.id LIMIT :limit
    """
    given = {"after": "", "limit": _AT_ONCE}
    while rows := fetch_all(db, with_tables(kind, sql), given, SourceRow):
        yield from rows
        given["after"] = rows[-1].id


def count_open_by_format(db: apsw.Connection) -> list[OpenFormatRow]:
    """Return how many automations that have not ended there are in each format."""
    sql = f"""
        SELECT manifest_format, count(*) FROM automations
         WHERE {index_condition(UNFINISHED)}
           AND manifest_digest <> ''
         GROUP BY manifest_format ORDER BY manifest_format
    """  # noqa: S608 - a literal
    return fetch_all(db, sql, {}, OpenFormatRow)
