"""Documents that start templates by themselves: what schedules and triggers have in common."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime
from typing import ClassVar, TypeVar

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.schedules import Schedule
from opsicle.domain.triggers import Trigger
from opsicle.server.access.actor import Actor
from opsicle.server.access.start_rights import require_newest_in_scope
from opsicle.server.access.template_access import require_on
from opsicle.server.documents.service import Summary, Version, VersionedDocuments
from opsicle.server.members.run_as import run_as
from opsicle.server.store import audit
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import VersionRow

Document = TypeVar("Document", Schedule, Trigger)


class StartingDocuments(VersionedDocuments[Summary, Version]):
    """Documents of one kind that start templates by themselves, and can be paused."""

    manage: ClassVar[Action]
    """What it takes to push, pause and delete them."""

    def pause(self, actor: Actor, name: str) -> Version:
        """Start nothing by itself until it is resumed. Twice is harmless. Raises NotFound."""
        return self._set_paused(actor, name, is_paused=True)

    def resume(self, actor: Actor, name: str) -> Version:
        """Go on from now. Twice is harmless. Raises NotFound."""
        return self._set_paused(actor, name, is_paused=False)

    def _set_paused(self, actor: Actor, name: str, *, is_paused: bool) -> Version:
        actor.require(self.manage)
        now = self._clock.now()

        def work(db: Connection) -> Version:
            found = self._visible(db, actor, name)
            if self._pause(db, actor, found, is_paused, now):
                verb = "pause" if is_paused else "resume"
                audit.append(db, now, actor.org_id, actor, verb, f"{self.kind.plural}/{name}")
            return self._whole(db, actor, found)

        return self._database.write(work)

    @abstractmethod
    def _pause(
        self, db: Connection, actor: Actor, found: VersionRow, is_paused: bool, now: datetime
    ) -> bool:
        """Pause or resume one. Return False if it was so already."""


def with_principal(db: Connection, actor: Actor, document: Document) -> Document:
    """Return a document that is pushed, with whose rights it starts its template.

    Raises NotAllowed for a template that the actor may not run, and as `run_as`.
    """
    require_on(db, actor, Action.AUTOMATIONS_CREATE, document.template)
    require_newest_in_scope(db, actor, document.template)
    return msgspec.structs.replace(document, principal_id=run_as(db, actor, document.run_as))
