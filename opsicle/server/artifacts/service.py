"""Who may have which artifact: whoever may see the automation that left it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from opsicle.domain.access import Action
from opsicle.domain.errors import NotFound
from opsicle.server.access.actor import Actor
from opsicle.server.automations.visible import get_visible
from opsicle.server.contents.content_store import ContentStore
from opsicle.server.store import artifacts
from opsicle.server.store.artifacts import ArtifactRow
from opsicle.server.store.database import Connection, Database


class Artifacts:
    """Files of automations, for people."""

    def __init__(self, database: Database, store: ContentStore) -> None:
        self._database = database
        self._store = store

    def get(self, actor: Actor, artifact_id: str) -> ArtifactRow:
        """Return an artifact that is kept.

        Raises NotFound, also for one that the actor may not see.
        """
        actor.require(Action.AUTOMATIONS_VIEW)

        def query(db: Connection) -> ArtifactRow | None:
            row = artifacts.find_by_id(db, actor.org_id, artifact_id)
            if row is not None:
                get_visible(db, actor, row.automation_id)
            return row

        # What is hidden is as absent as what never was: no other words for it.
        with suppress(NotFound):
            row = self._database.read(query)
            if row is not None and row.sha256 is not None:
                return row
        raise NotFound(
            f"there is no artifact {artifact_id}",
            hint="`opsicle artifacts list ID` shows those of an automation.",
        )

    def read(self, row: ArtifactRow, start: int, stop: int) -> Iterator[bytes]:
        """Return bytes of an artifact, in pieces. Raises NotFound if the server has lost it."""
        return self._store.read(row.org_id, row.sha256 or "", start, stop)

    def read_whole(self, row: ArtifactRow, most: int) -> bytes:
        """Return an artifact's first bytes, `most` of them at most. Raises as `read`."""
        return b"".join(self.read(row, 0, min(row.size, most)))
