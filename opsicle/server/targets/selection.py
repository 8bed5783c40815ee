"""Choosing targets: which of an org's are meant, and whether somebody may run anything on them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, Problem
from opsicle.domain.targets import Target, TargetSelector, digest
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found
from opsicle.server.documents.record_of_pushes import require_as_pushed
from opsicle.server.store import documents, secrets, targets
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.server.targets.visible import resource_of

_TARGET = DocumentKind.TARGET


class ChosenTarget(msgspec.Struct, frozen=True):
    """A target as it is now; `digest` is another one as soon as it is pushed with other content."""

    target: Target
    digest: str


def targets_of(db: Connection, actor: Actor, selector: TargetSelector) -> list[ChosenTarget]:
    """Return the org's targets that are meant, by name.

    One that is hidden from the actor is to them as absent as what never was. Raises NotFound for a
    name that no target has; NotAllowed if the actor may not run anything on one of them; Conflict
    where a credential is missing, or what is stored is not what was pushed; Unreadable.
    """
    chosen = []
    for row in targets.list_newest(db, actor.org_id):
        resource = resource_of(row.name, row.document)
        is_meant = selector.selects(row.name, resource.labels)
        if is_meant and actor.may(Action.TARGETS_VIEW, resource):
            actor.require(Action.TARGETS_USE, resource)
            found = find_target(db, actor.org_id, row.name)
            assert found is not None
            chosen.append(found)

    there = {each.target.name for each in chosen}
    for name in selector.names:
        if name not in there:
            raise document_not_found(_TARGET, name)
    require_credentials(db, actor.org_id, (each.target for each in chosen))
    return chosen


def find_target(db: Connection, org_id: str, name: str) -> ChosenTarget | None:
    """Return a target as it is now, None if there is none.

    Raises Conflict if what is stored is not what was pushed, Unreadable.
    """
    row = documents.find(db, _TARGET, org_id, name)
    if row is None:
        return None
    require_as_pushed(db, _TARGET, org_id, row)
    target = read_target(row)
    return ChosenTarget(target, digest(target))


def read_target(row: VersionRow) -> Target:
    """Return what a version says. Raises Unreadable."""
    return stored_json.read(row.document, Target, f"the target {row.name}")


def require_credentials(db: Connection, org_id: str, wanted: Iterable[Target]) -> None:
    """Raise Conflict that names every secret that these targets want and the org lacks."""
    known = secrets.list_names(db, org_id)
    problems = [
        Problem(target.name, f"there is no secret {target.secret}")
        for target in wanted
        if target.secret not in known
    ]
    if problems:
        first = problems[0]
        raise Conflict(
            f"the target {first.path} cannot be reached: {first.message}",
            hint="An admin makes it with `opsicle secrets create`, of a private key of OpenSSH's.",
            problems=tuple(problems),
        )
