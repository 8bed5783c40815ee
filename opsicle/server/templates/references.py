"""Looking, when a template is pushed or tried, at all that it names."""

from __future__ import annotations

from opsicle.domain.errors import Problem
from opsicle.domain.templates import Template
from opsicle.server.access.actor import Actor
from opsicle.server.channels.recipients import unknown_names
from opsicle.server.policies.references import check_reference
from opsicle.server.store.database import Connection
from opsicle.server.templates.started_templates import starting_warnings


def reference_warnings(db: Connection, actor: Actor, template: Template) -> list[Problem]:
    """Return why something that the template names could not be used as things are now.

    Raises InvalidInput for what it may not name, or not start.
    """
    return [
        *check_reference(db, actor.org_id, template),
        *unknown_names(db, actor.org_id, template.notify),
        *starting_warnings(db, actor, template),
    ]
