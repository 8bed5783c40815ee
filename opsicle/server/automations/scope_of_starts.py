"""Whether a token's scopes let all be started that its holder's rights would.

What follows the end of an automation starts with the rights of the person. A token that may do less
must not be a way to that: what it may not run itself it may not have run either.
"""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.errors import NotAllowed
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.templates import Template
from opsicle.server.access.actor import Actor
from opsicle.server.access.standing import standing_actor
from opsicle.server.access.template_access import may_on
from opsicle.server.store import documents
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind

_RUN = Action.AUTOMATIONS_CREATE


def require_in_scope(db: Connection, actor: Actor, template: Template) -> None:
    """Raise NotAllowed where a template starts another one that the actor's token may not run.

    By the newest versions, and by way of others too. What the person may not run either is refused
    when it is to start.
    """
    if not actor.rights.depends_on_template(_RUN):
        return
    person = standing_actor(db, actor.org_id, actor.user_id, actor.channel)
    seen, to_visit = {template.name}, [template]
    while to_visit:
        for name in _names_started(to_visit.pop()) - seen:
            seen.add(name)
            if may_on(db, person, _RUN, name) and not may_on(db, actor, _RUN, name):
                raise NotAllowed(
                    f"{template.name} starts {name}, which the scopes of this token leave out",
                    hint="Use a token that may run both.",
                )
            if found := _newest(db, actor, name):
                to_visit.append(found)


def require_newest_in_scope(db: Connection, actor: Actor, name: str) -> None:
    """Raise the same for a template that is to be started later, in the version of then."""
    if found := _newest(db, actor, name):
        require_in_scope(db, actor, found)


def _newest(db: Connection, actor: Actor, name: str) -> Template | None:
    row = documents.find(db, DocumentKind.TEMPLATE, actor.org_id, name)
    return decode_template(row.document) if row else None


def _names_started(template: Template) -> set[str]:
    called = [call for phase in template.phases for call in phase.calls]
    return {call.template for call in (*template.on_success, *template.on_failure, *called)}
