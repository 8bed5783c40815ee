"""Looking, when a template is pushed, at the templates that it starts."""

from __future__ import annotations

from collections.abc import Iterable

from opsicle.domain.call_paths import started_calls
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.passed_values import call_problems, refuse_secrets
from opsicle.domain.problems import listed
from opsicle.domain.templates import Template
from opsicle.server.access.actor import Actor
from opsicle.server.access.template_access import is_hidden
from opsicle.server.access.template_versions import find_newest_template
from opsicle.server.store.database import Connection

_MOST_FOLLOWED = 200
"""Templates that are looked at for a way back, in one piece while others wait.

What is missed starts no further below its first one than `MAX_DEPTH`.
"""

_HIDDEN = "another one"
"""What a template is called that rules hide from whoever pushes."""


def starting_warnings(db: Connection, actor: Actor, template: Template) -> list[Problem]:
    """Return why something that the template starts could not start as things are now.

    Raises InvalidInput for a template that would start itself, be it by way of others, and for the
    value of a secret variable: what is pushed can be read.
    """
    _refuse_loops(db, actor, template)
    found: list[Problem] = []
    for path, call in started_calls(template):
        target = find_newest_template(db, actor.org_id, call.template)
        if target is None or is_hidden(db, actor, call.template, target.labels):
            message = f"there is no template {call.template} yet, so it cannot start"
            found.append(Problem(f"{path}.template", message))
        else:
            refuse_secrets(path, call, target)
            found += [
                Problem(each.path, f"it cannot start: {each.message}")
                for each in call_problems(path, call, template, target)
            ]
    return found


def _refuse_loops(db: Connection, actor: Actor, template: Template) -> None:
    """Follow what starts what, by the newest versions, and refuse the way back to the template."""
    came_from: dict[str, str] = {}
    to_visit = [template]
    while to_visit:
        current = to_visit.pop()
        for path, call in started_calls(current):
            if call.template == template.name:
                raise _loop(db, actor, template, path, [*_way(came_from, current.name)])
            if call.template in came_from or len(came_from) >= _MOST_FOLLOWED:
                continue
            came_from[call.template] = current.name
            if found := find_newest_template(db, actor.org_id, call.template):
                to_visit.append(found)


def _way(came_from: dict[str, str], name: str) -> Iterable[str]:
    """Return the names on the way to a template, from the one that is pushed on."""
    names = [name]
    while names[-1] in came_from:
        names.append(came_from[names[-1]])
    return reversed(names)


def _loop(
    db: Connection, actor: Actor, template: Template, path: str, way: list[str]
) -> InvalidInput:
    shown = [_HIDDEN if is_hidden(db, actor, name) else name for name in way[1:]]
    text = " → ".join([template.name, *shown, template.name])
    first = next(
        (
            place
            for place, call in started_calls(template)
            if len(way) > 1 and call.template == way[1]
        ),
        path,
    )
    return InvalidInput(
        f"{template.name} would start itself again and again: {text}",
        hint="Leave one of these starts out.",
        problems=(Problem(f"{first}.template", f"leads back to {listed([template.name])}"),),
    )
