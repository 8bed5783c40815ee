"""What a list of automations is narrowed to: whether it is there at all, and one of several states.

A typing error must not look like an answer.
"""

from __future__ import annotations

from dataclasses import replace
from heapq import merge
from itertools import islice

from opsicle.domain.errors import NotFound
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found
from opsicle.server.access.template_access import is_hidden
from opsicle.server.store import audit, automations, memberships, templates
from opsicle.server.store.automations import AutomationFilter, AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind


def newest_of_states(
    db: Connection, org_id: str, wanted: AutomationFilter, before: str, limit: int
) -> list[AutomationRow]:
    """Return a page of automations in one of the states, which have commas between them, or in any.

    Each state has an index of its own: what several together find is merged here.
    """
    of_each = (
        automations.list_newest(db, org_id, replace(wanted, state=state), before, limit)
        for state in set(filter(None, wanted.state.split(","))) or {""}
    )
    return list(islice(merge(*of_each, key=lambda row: row.id, reverse=True), limit))


def require_known(db: Connection, actor: Actor, wanted: AutomationFilter) -> None:
    """Raise NotFound for a template or requester of which the org has no trace.

    To be asked where a list is empty. A template that is hidden from the actor is to them as one
    that never was.
    """
    name = wanted.template
    if name and (
        is_hidden(db, actor, name)
        or not (templates.find(db, actor.org_id, name) or _has_trace(db, actor, name))
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


def _has_trace(db: Connection, actor: Actor, name: str) -> bool:
    """Return whether there was a template of this name once, or somebody tries a draft of one."""
    org_id, resource = actor.org_id, f"{DocumentKind.TEMPLATE.plural}/{name}"
    has_run = automations.list_newest(db, org_id, AutomationFilter(template=name), "", 1)
    return bool(has_run or audit.find_drafting(db, org_id, resource))
