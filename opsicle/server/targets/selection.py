"""Choosing targets: which of an org's are meant, and whether somebody may run anything on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.bound_fan_outs import BoundMember
from opsicle.domain.bound_targets import BoundTarget
from opsicle.domain.errors import Conflict, Problem
from opsicle.domain.fan_outs import FanOutKind
from opsicle.domain.targets import Target, TargetSelector, digest
from opsicle.domain.templates import Template
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

    @property
    def bound(self) -> BoundMember:
        """The target as an automation is bound to it."""
        target = self.target
        return BoundMember(
            name=target.name,
            target=BoundTarget(
                name=target.name,
                host=target.host,
                port=target.port,
                user=target.user,
                host_keys=target.host_keys,
                secret=target.secret,
            ),
            digest=self.digest,
            labels=target.runs_on,
            where=target.runs_on_where,
            own_labels=target.labels,
        )


def selector_of(template: Template) -> TargetSelector:
    """Return which targets a template means that runs on some."""
    assert template.fan_out is not None
    return TargetSelector(
        labels=template.runs_on, where=template.runs_on_where, names=template.fan_out.names
    )


def targets_chosen(db: Connection, org_id: str, template: Template) -> Sequence[BoundMember]:
    """Return the targets that a template would run on now, whoever runs it; none of another one.

    Good for showing what would be asked; nothing is checked. Raises Unreadable.
    """
    if template.fan_out is None or template.fan_out.kind is not FanOutKind.TARGETS:
        return ()
    selector = selector_of(template)
    there = (_read(row.name, row.document) for row in targets.list_newest(db, org_id))
    return [
        ChosenTarget(each, "").bound for each in there if selector.selects(each.name, each.labels)
    ]


def targets_of(
    db: Connection,
    actor: Actor,
    selector: TargetSelector,
    only: Collection[str] | None = None,
) -> list[ChosenTarget]:
    """Return the org's targets that are meant, by name; of these at most `only`, if that is given.

    One that is hidden from the actor is to them as absent as what never was. Raises NotFound for a
    name that no target has; NotAllowed if the actor may not run anything on one of them; Conflict
    where a credential is missing, or what is stored is not what was pushed; Unreadable.
    """
    chosen = []
    for row in targets.list_newest(db, actor.org_id):
        resource = resource_of(row.name, row.document)
        is_meant = selector.selects(row.name, resource.labels) and _is_among(only, row.name)
        if is_meant and actor.may(Action.TARGETS_VIEW, resource):
            actor.require(Action.TARGETS_USE, resource)
            found = find_target(db, actor.org_id, row.name)
            assert found is not None
            chosen.append(found)

    there = {each.target.name for each in chosen}
    for name in selector.names:
        if name not in there and _is_among(only, name):
            raise document_not_found(_TARGET, name)
    require_credentials(db, actor.org_id, (each.target for each in chosen))
    return chosen


def _is_among(only: Collection[str] | None, name: str) -> bool:
    return only is None or name in only


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
    return _read(row.name, row.document)


def _read(name: str, document: str) -> Target:
    return stored_json.read(document, Target, f"the target {name}")


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
