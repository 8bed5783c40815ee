"""The template version that an automation names."""

from __future__ import annotations

from opsicle.domain.errors import Unreadable
from opsicle.domain.stored_json import CANNOT_BE_READ
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.templates import Template
from opsicle.server.access.document_lookup import get_document
from opsicle.server.store import documents, templates
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind, VersionRow


def template_of(db: Connection, template_id: str, version: int) -> Template:
    """Return the template that an automation runs, even after its name was reused.

    Raises Unreadable.
    """
    return decode_template(templates.get_document(db, template_id, version))


def shown_template_of(db: Connection, row: AutomationRow) -> Template:
    """Return the same for showing it: without anything where it cannot be read."""
    try:
        return template_of(db, row.template_id, row.version)
    except Unreadable:
        return Template(name=row.template, phases=(), display_name=CANNOT_BE_READ)


def find_newest_template(db: Connection, org_id: str, name: str) -> Template | None:
    """Return the newest version of a template, None if the org has none of that name.

    Raises Unreadable.
    """
    row = documents.find(db, DocumentKind.TEMPLATE, org_id, name)
    return decode_template(row.document) if row else None


def asks_for_code(db: Connection, org_id: str, row: VersionRow, template: Template) -> bool:
    """Return whether who runs this version shows a code: it says so, or the newest one does.

    So an older version, named or run again, is no way around what has been asked since.
    """
    if template.require_mfa or row.version == row.latest_version:
        return template.require_mfa
    return decode_template(
        get_document(db, DocumentKind.TEMPLATE, org_id, row.name).document
    ).require_mfa
