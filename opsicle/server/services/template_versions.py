"""The template version that an automation names."""

from __future__ import annotations

from opsicle.domain.stored_templates import decode_template
from opsicle.domain.templates import Template
from opsicle.server.store import templates
from opsicle.server.store.database import Connection


def template_of(db: Connection, template_id: str, version: int) -> Template:
    """The template that an automation runs, even if its name has been given to another one since."""
    return decode_template(templates.get_document(db, template_id, version))
