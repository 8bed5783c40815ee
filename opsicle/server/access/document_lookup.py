"""Finding the document that somebody names, and the error where there is none for them."""

from __future__ import annotations

from opsicle.domain.errors import NotFound, required
from opsicle.server.store import documents
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind, VersionRow


def get_document(
    db: Connection, kind: DocumentKind, org_id: str, name: str, version: int | None = None
) -> VersionRow:
    """Return one version (None: the newest) of a document of this org that is not deleted.

    Raises NotFound for an absent and for another org's one alike.
    """
    return required(
        documents.find(db, kind, org_id, name, version), document_not_found(kind, name, version)
    )


def document_not_found(kind: DocumentKind, name: str, version: int | None = None) -> NotFound:
    """Return the error for a document, or a version of one, that is not there, or hidden."""
    what = f"{kind} {name}" if version is None else f"version {version} of a {kind} {name}"
    return NotFound(f"there is no {what}", hint=f"`opsicle {kind.plural} list` shows them.")
