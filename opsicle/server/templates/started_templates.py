"""Looking, when a template is pushed, at the templates that it starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opsicle.domain.calls import Call
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.problems import listed, nearest
from opsicle.domain.secrets import only_secret
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.templates import Template
from opsicle.server.access.actor import Actor
from opsicle.server.access.template_access import is_hidden
from opsicle.server.store import documents
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind

_HIDDEN = "another one"
"""What a template is called that rules hide from whoever pushes."""


def starting_warnings(db: Connection, actor: Actor, template: Template) -> list[Problem]:
    """Return why something that the template starts could not start as things are now.

    Raises InvalidInput for a template that would start itself, be it by way of others, and for the
    value of a secret variable: what is pushed can be read.
    """
    _refuse_loops(db, actor, template)
    found: list[Problem] = []
    for path, call in _started(template):
        target = _newest(db, actor.org_id, call.template)
        if target is None or is_hidden(db, actor, call.template, target.labels):
            message = f"there is no template {call.template} yet, so it cannot start"
            found.append(Problem(f"{path}.template", message))
        else:
            found += _value_warnings(path, call, target)
    return found


def _value_warnings(path: str, call: Call, target: Template) -> Iterator[Problem]:
    literals = {
        name: source.value for name, source in call.values.items() if source.value is not None
    }
    if secret := only_secret(target.variables, literals):
        message = (
            f"is secret in {target.name}, and what is pushed can be read: keep it as a secret of "
            "the org, which a phase names under `secrets`"
        )
        problems = tuple(Problem(f"{path}.values.{name}", message) for name in secret)
        raise InvalidInput("a secret cannot be pushed as a value", problems=problems)

    known = [variable.id for variable in target.variables]
    for name in call.values:
        if name not in known:
            message = f"{target.name} has no variable of that name{nearest(name, known)}"
            yield Problem(f"{path}.values.{name}", f"it cannot start: {message}")
    for variable in target.variables:
        if variable.is_required and variable.default is None and variable.id not in call.values:
            message = f"it cannot start: {target.name} needs a value for {variable.id}"
            yield Problem(f"{path}.values", message)


def _refuse_loops(db: Connection, actor: Actor, template: Template) -> None:
    """Follow what starts what, by the newest versions, and refuse the way back to the template."""
    came_from: dict[str, str] = {}
    to_visit = [template]
    while to_visit:
        current = to_visit.pop()
        for path, call in _started(current):
            if call.template == template.name:
                raise _loop(db, actor, template, path, [*_way(came_from, current.name)])
            if call.template in came_from:
                continue
            came_from[call.template] = current.name
            if found := _newest(db, actor.org_id, call.template):
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
        (place for place, call in _started(template) if len(way) > 1 and call.template == way[1]),
        path,
    )
    return InvalidInput(
        f"{template.name} would start itself again and again: {text}",
        hint="Leave one of these starts out.",
        problems=(Problem(f"{first}.template", f"leads back to {listed([template.name])}"),),
    )


def _started(template: Template) -> Iterator[tuple[str, Call]]:
    """Yield what a template starts, each with its place in the document."""
    for key, calls in (("onSuccess", template.on_success), ("onFailure", template.on_failure)):
        for i, call in enumerate(calls):
            yield f"spec.{key}[{i}]", call


def _newest(db: Connection, org_id: str, name: str) -> Template | None:
    row = documents.find(db, DocumentKind.TEMPLATE, org_id, name)
    return decode_template(row.document) if row else None
