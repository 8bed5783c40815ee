"""Whether whoever has asked for an automation may still have it run."""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.templates import DRAFT, Template
from opsicle.server.access.rights import rights_of
from opsicle.server.access.template_access import resources_of
from opsicle.server.store import memberships
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection


def requester_refusal(db: Connection, row: AutomationRow, template: Template) -> str:
    """Return why whoever has asked for an automation may not have it run now, "" if they may.

    Of a draft they must be able to push it still, as when they asked.
    """
    member = memberships.find(db, row.org_id, row.requester_id)
    if member is None or member.is_disabled:
        return f"{row.requester_email} is no longer a member of the org"

    person = memberships.find(db, row.org_id, row.principal_id)
    if person is None:
        return (
            f"who answered for {row.requester_email} when it was asked "
            "is no longer a member of the org"
        )
    if person.is_disabled or not member.is_enabled:
        return f"{person.email}, who answers for {row.requester_email}, is disabled"

    rights = rights_of(db, row.org_id, row.requester_id)
    targets = resources_of(db, row.org_id, template.name, template.labels)
    if not all(rights.may(Action.AUTOMATIONS_CREATE, target) for target in targets):
        return f"{row.requester_email} may no longer run templates"
    may_push = all(rights.may(Action.TEMPLATES_PUSH, target) for target in targets)
    if row.version == DRAFT and not may_push:
        return f"{row.requester_email} may no longer push {template.name}, of which this is a draft"
    return ""
