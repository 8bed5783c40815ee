"""Rights that differ from template to template.

A rule about a label is asked twice where the version at hand is not the newest: for the labels of
both, so that neither pushing a version with other labels nor asking for an older one is a way
around it. What somebody may not see is to them as absent as what never was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.errors import Unreadable
from opsicle.domain.rights import Rights
from opsicle.domain.rules import NamedResource
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found
from opsicle.server.access.template_versions import template_of
from opsicle.server.store import templates
from opsicle.server.store.automations import AutomationRow
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind
from opsicle.server.store.recent_runs import RunRow, WorkerJobRow

Labels = Mapping[str, str] | None


class _Labels(msgspec.Struct):
    labels: dict[str, str] = {}


def resources_of(
    db: Connection, org_id: str, name: str, labels: Labels = None
) -> list[NamedResource]:
    """Return the template as rules see it.

    It has the labels of the version at hand, if that is given, and those of the newest.

    Raises Unreadable, as nobody can say what rules mean for labels that cannot be read.
    """
    newest = templates.find(db, org_id, name)
    given = [NamedResource(name, labels)] if labels is not None else []
    if newest is None:
        return given or [NamedResource(name)]
    return [
        *given,
        NamedResource(
            name, stored_json.read(newest.header, _Labels, f"the template {name}").labels
        ),
    ]


def may_on(db: Connection, actor: Actor, action: Action, name: str, labels: Labels = None) -> bool:
    """Return whether the actor may do this with the template of that name."""
    if not actor.rights.depends_on_resource(action):
        return actor.may(action)
    try:
        return all(
            actor.may(action, target) for target in resources_of(db, actor.org_id, name, labels)
        )
    except Unreadable:
        return False


def require_on(
    db: Connection, actor: Actor, action: Action, name: str, labels: Labels = None
) -> None:
    """Raise unless the actor may do this with the template.

    NotFound if they may not see it, else NotAllowed.
    """
    if may_on(db, actor, action, name, labels):
        return
    if not may_on(db, actor, Action.TEMPLATES_VIEW, name, labels):
        raise document_not_found(DocumentKind.TEMPLATE, name)
    for target in resources_of(db, actor.org_id, name, labels):
        actor.require(action, target)


def is_hidden(db: Connection, actor: Actor, name: str | None, labels: Labels = None) -> bool:
    """Return whether rules hide this template, and its automations, from the actor.

    One that nobody can say the name of is hidden from all for whom that depends on the template.
    """
    view = Action.TEMPLATES_VIEW
    return actor.rights.depends_on_resource(view) and (
        name is None or not may_on(db, actor, view, name, labels)
    )


def is_automation_hidden(
    db: Connection, actor: Actor, row: AutomationRow | RunRow | WorkerJobRow
) -> bool:
    """Return whether its template is hidden from the actor, who has not triggered it either."""
    if row.requester_id == actor.user_id or not actor.rights.depends_on_resource(
        Action.TEMPLATES_VIEW
    ):
        return False
    try:
        return is_hidden(
            db, actor, row.template, template_of(db, row.template_id, row.version).labels
        )
    except Unreadable:
        return True


def is_hidden_from(rights: Rights, targets: Iterable[NamedResource]) -> bool:
    """Return the same for somebody with these rights, and the targets of a template."""
    view = Action.TEMPLATES_VIEW
    return rights.depends_on_resource(view) and not all(
        rights.may(view, target) for target in targets
    )
