"""Targets as rules see them: by name and labels."""

from __future__ import annotations

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.errors import Unreadable
from opsicle.domain.rules import NamedResource
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found, get_document
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind, VersionRow


def resource_of(name: str, document: str) -> NamedResource:
    """Return what rules are asked about a target that says this. Raises Unreadable."""
    header = stored_json.read(document, _TargetLabels, f"the target {name}")
    return NamedResource(name, header.labels)


def is_hidden(actor: Actor, row: VersionRow) -> bool:
    """Return whether rules hide this version from the actor."""
    view = Action.TARGETS_VIEW
    if not actor.rights.depends_on_resource(view):
        return not actor.may(view)
    try:
        return not actor.may(view, resource_of(row.name, row.document))
    except Unreadable:
        return True


def visible_target(db: Connection, actor: Actor, name: str) -> VersionRow:
    """Return a target, in its newest version, that the actor may see. Raises NotFound."""
    row = get_document(db, DocumentKind.TARGET, actor.org_id, name)
    if is_hidden(actor, row):
        raise document_not_found(DocumentKind.TARGET, name)
    return row


class _TargetLabels(msgspec.Struct):
    labels: dict[str, str] = {}
