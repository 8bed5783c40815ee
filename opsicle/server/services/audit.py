"""Reading the record of who did what."""

from __future__ import annotations

import msgspec

from opsicle.domain.access import Action
from opsicle.server.services.actor import Actor
from opsicle.server.services.cursors import page_of, position
from opsicle.server.store import audit
from opsicle.server.store.audit import Entry
from opsicle.server.store.database import Database
from opsicle.wire.pages import Page
from opsicle.wire.user_api import AuditEntry


class Audit:
    """An org's record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list_entries(self, actor: Actor, cursor: str, limit: int) -> Page[AuditEntry]:
        """The org's entries, newest first."""
        actor.require(Action.AUDIT_VIEW)
        before = position(cursor)
        rows = self._database.read(lambda db: audit.list_entries(db, actor.org_id, before, limit + 1))
        return page_of(rows, limit, _shown, lambda row: str(row.seq))


def _shown(row: Entry) -> AuditEntry:
    return AuditEntry(
        seq=row.seq,
        at=row.at,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        actor_name=row.actor_name,
        channel=row.channel,
        address=row.address,
        verb=row.verb,
        resource=row.resource,
        data=msgspec.json.decode(row.data, type=dict[str, object]),
    )
