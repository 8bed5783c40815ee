"""The record of who did what. Every writer appends in the transaction of the change itself.

A `verb` is the operator's word (`push`, `login`, `revoke`); a `resource` is what it was done to, as the URL names it:
`templates/restart-web`, `automations/<id>`, `workers/<id>`, `users/<id>`. `data` is small and holds no secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

import apsw
import msgspec

from opsicle.kit.clock import to_text
from opsicle.server.store.rows import Row, fetch_all


class Author(NamedTuple):
    """Who stands in an entry. `kind` is user, worker, system or anonymous; `channel` is how they came in."""

    kind: str
    id: str
    name: str
    channel: str
    address: str


class Signs(Protocol):
    """Anyone on whose account something happens."""

    @property
    def author(self) -> Author:
        """How they stand in the record."""
        ...


class Entry(Row, frozen=True):
    """One line of the record; `data` is JSON."""

    seq: int
    at: datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    channel: str
    address: str
    verb: str
    resource: str
    data: str


def append(  # noqa: PLR0913, PLR0917 - what an entry consists of
    db: apsw.Connection,
    at: datetime,
    org_id: str | None,
    actor: Signs,
    verb: str,
    resource: str,
    data: Mapping[str, object] | None = None,
) -> None:
    """Add an entry to an org's record; `org_id` None is for what belongs to no org."""
    db.execute(
        """
        INSERT INTO audit_entries (org_id, at, actor_kind, actor_id, actor_name, channel, address, verb, resource, data)
        VALUES (:org_id, :at, :kind, :id, :name, :channel, :address, :verb, :resource, :data)
        """,
        {
            "org_id": org_id,
            "at": to_text(at),
            **actor.author._asdict(),
            "verb": verb,
            "resource": resource,
            "data": msgspec.json.encode(data or {}).decode(),
        },
    )


def list_entries(db: apsw.Connection, org_id: str, before_seq: int, limit: int) -> list[Entry]:
    """An org's entries with a number below `before_seq`, newest first."""
    return fetch_all(
        db,
        """
        SELECT seq, at, actor_kind, actor_id, actor_name, channel, address, verb, resource, data
          FROM audit_entries
         WHERE org_id = :org_id AND seq < :before_seq
         ORDER BY seq DESC
         LIMIT :limit
        """,
        {"org_id": org_id, "before_seq": before_seq, "limit": limit},
        Entry,
    )
