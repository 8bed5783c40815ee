"""The template version that an automation names."""

from __future__ import annotations

from opsicle.domain.stored_templates import decode_template
from opsicle.domain.templates import Template
from opsicle.server.store import templates
from opsicle.server.store.database import Connection
from opsicle.server.store.templates import VersionRow


def template_of(db: Connection, template_id: str, version: int) -> Template:
    """The template that an automation runs, even if its name has been given to another one since."""
    return decode_template(templates.get_document(db, template_id, version))


def asks_for_code(db: Connection, org_id: str, row: VersionRow, template: Template) -> bool:
    """Whether who runs this version shows a code: it says so, or the newest one does.

    So an older version, named or run again, is no way around what has been asked since.
    """
    if template.require_mfa or row.version == row.latest_version:
        return template.require_mfa
    return decode_template(templates.get_version(db, org_id, row.name).document).require_mfa
