"""Whether what a list of automations is narrowed to is there at all.

A typing error must not look like an answer.
"""

from __future__ import annotations

from opsicle.domain.errors import NotFound
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found
from opsicle.server.access.template_access import is_hidden
from opsicle.server.store import automations, memberships, templates
from opsicle.server.store.automations import AutomationFilter
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind


def require_known(db: Connection, actor: Actor, wanted: AutomationFilter) -> None:
    """Raise NotFound for a template or requester of which the org has no trace.

    To be asked where a list is empty. A template that is hidden from the actor is to them as one
    that never was.
    """
    name = wanted.template
    if name and (
        is_hidden(db, actor, name)
        or not (templates.find(db, actor.org_id, name) or _start_entry(db, actor, name))
    ):
        raise document_not_found(DocumentKind.TEMPLATE, name)
    if wanted.requester and not memberships.find(db, actor.org_id, wanted.requester):
        if automations.list_newest(
            db, actor.org_id, AutomationFilter(requester=wanted.requester), "", 1
        ):
            return
        raise NotFound(
            f"nobody in the org is {wanted.requester}",
            hint="`opsicle users list` shows its people, with their addresses.",
        )


def _start_entry(db: Connection, actor: Actor, name: str) -> bool:
    return bool(automations.list_newest(db, actor.org_id, AutomationFilter(template=name), "", 1))
