"""What people do alike with documents of every kind: list, show, read versions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import ClassVar, Generic, TypeVar

from opsicle.domain.access import Action
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found, get_document
from opsicle.server.documents.reading import DocumentReading
from opsicle.server.documents.versions import number_in
from opsicle.server.http.paging import page_of, position
from opsicle.server.store import documents
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.wire.pages import Page

Summary = TypeVar("Summary")
Version = TypeVar("Version")


class VersionedDocuments(ABC, Generic[Summary, Version]):
    """The documents of one kind, shown as `Summary` in lists and as `Version` whole.

    A document that is hidden from somebody does not exist for them.
    """

    kind: ClassVar[DocumentKind]
    view: ClassVar[Action]
    """What it takes to see them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._reading = DocumentReading(clock)

    @abstractmethod
    def _summary(self, db: Connection, actor: Actor, row: VersionRow) -> Summary:
        """Return a version as it stands in a list."""

    @abstractmethod
    def _whole(self, db: Connection, actor: Actor, row: VersionRow) -> Version:
        """Return a version with all that it says."""

    def _is_hidden(self, _db: Connection, _actor: Actor, _row: VersionRow) -> bool:
        """Return whether a version is hidden from somebody who may see such documents."""
        return False

    def list_newest(self, actor: Actor, cursor: str, limit: int) -> Page[Summary]:
        """Return the org's documents by name, each in its newest version."""
        actor.require(self.view)

        def query(db: Connection) -> Page[Summary]:
            found = documents.list_by_name(db, self.kind, actor.org_id, cursor, limit + 1)
            return page_of(
                found,
                limit,
                partial(self._summary, db, actor),
                lambda row: row.name,
                partial(self._is_hidden, db, actor),
            )

        return self._database.read(query)

    def get(self, actor: Actor, name: str, version: int | None = None) -> Version:
        """Return one version of a document whole, the newest unless told. Raises NotFound."""
        actor.require(self.view)
        return self._database.read(
            lambda db: self._whole(db, actor, self._visible(db, actor, name, version))
        )

    def get_version(self, actor: Actor, name: str, version: str) -> Version:
        """Return the version of this number as a path has it. Raises NotFound."""
        return self.get(actor, name, number_in(self.kind, name, version))

    def list_versions(self, actor: Actor, name: str, cursor: str, limit: int) -> Page[Summary]:
        """Return a document's versions, newest first. Raises NotFound if there is none."""
        actor.require(self.view)
        before = position(cursor)

        def query(db: Connection) -> Page[Summary]:
            self._visible(db, actor, name)
            found = documents.list_versions(db, self.kind, actor.org_id, name, before, limit + 1)
            return page_of(
                found,
                limit,
                partial(self._summary, db, actor),
                lambda row: str(row.version),
                partial(self._is_hidden, db, actor),
            )

        return self._database.read(query)

    def _visible(
        self, db: Connection, actor: Actor, name: str, version: int | None = None
    ) -> VersionRow:
        """Return a version that the actor may see. Raises NotFound."""
        row = get_document(db, self.kind, actor.org_id, name, version)
        if self._is_hidden(db, actor, row):
            raise document_not_found(self.kind, name, version)
        return row
