"""Whether a token's scopes let all be started that its holder's rights would.

What follows the end of an automation starts with the rights of the person. A token that may do less
must not be a way to that: what it may not run itself it may not have run either.
"""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.domain.call_paths import started_calls
from opsicle.domain.errors import NotAllowed
from opsicle.domain.templates import Template
from opsicle.server.access.actor import Actor
from opsicle.server.access.member_actors import member_actor
from opsicle.server.access.template_access import may_on
from opsicle.server.access.template_versions import find_newest_template
from opsicle.server.store.database import Connection

_RUN = Action.AUTOMATIONS_CREATE


def require_in_scope(db: Connection, actor: Actor, template: Template) -> None:
    """Raise NotAllowed where a template starts another one that the actor's token may not run.

    That goes by the newest versions, and for what these start in turn, too. What the person may not
    run either is refused when it is to start.
    """
    if not actor.rights.depends_on_resource(_RUN):
        return
    person = member_actor(db, actor.org_id, actor.user_id, actor.channel)
    seen, to_visit = {template.name}, [template]
    while to_visit:
        names = {call.template for _, call in started_calls(to_visit.pop())}
        for name in names - seen:
            seen.add(name)
            if may_on(db, person, _RUN, name) and not may_on(db, actor, _RUN, name):
                raise NotAllowed(
                    f"{template.name} starts {name}, which the scopes of this token leave out",
                    hint="Use a token that may run both.",
                )
            if found := find_newest_template(db, actor.org_id, name):
                to_visit.append(found)


def require_pushed_in_scope(db: Connection, actor: Actor, template: Template) -> None:
    """Raise as `require_in_scope` for a template that a token pushes which may also start some.

    What it has scheduled, or runs, would start with the rights of the person what it adds to the
    template afterwards. A token that may start nothing has nothing started by what it pushes.
    """
    if actor.may(_RUN):
        require_in_scope(db, actor, template)


def require_newest_in_scope(db: Connection, actor: Actor, name: str) -> None:
    """Raise as `require_in_scope` for the newest version of a template that is to start later."""
    if found := find_newest_template(db, actor.org_id, name):
        require_in_scope(db, actor, found)
