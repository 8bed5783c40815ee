"""Making and changing what has rules of its own: groups and roles."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET

from opsicle.domain.errors import Conflict
from opsicle.domain.names import TEMPLATE_NAME, TEMPLATE_NAME_RULE
from opsicle.domain.rights import change
from opsicle.domain.rules import Rule, parse_rules
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import (
    deciding_change,
    read_rules,
    require_at_most,
    written_rules,
)
from opsicle.server.store import audit, rule_sets
from opsicle.server.store.database import Connection
from opsicle.server.store.rule_sets import RuleSetKind, RuleSetRow
from opsicle.wire.access_api import (
    CreateGroupRequest,
    CreateRoleRequest,
    UpdateGroupRequest,
    UpdateRoleRequest,
)


class RuleSetChange(msgspec.Struct, frozen=True):
    """What somebody wants changed; None: nothing of it."""

    description: str | None
    rules: tuple[Rule, ...] | None

    @classmethod
    def of(cls, request: UpdateGroupRequest | UpdateRoleRequest) -> RuleSetChange:
        """Return what a request asks for. Raises InvalidInput."""
        return cls(
            None if request.description is UNSET else validators.description(request.description),
            None if request.rules is UNSET else parse_rules(request.rules),
        )


def new_row(
    actor: Actor, kind: RuleSetKind, request: CreateGroupRequest | CreateRoleRequest, now: datetime
) -> RuleSetRow:
    """Return what is to be made.

    Raises InvalidInput for a name or rule that cannot be, NotAllowed for rules that give more than
    the caller has.
    """
    if not TEMPLATE_NAME.fullmatch(request.name):
        raise validators.invalid("name", f"the name must be {TEMPLATE_NAME_RULE}")

    rules = parse_rules(request.rules)
    require_at_most(actor, change((), rules), f"make this {kind}")
    description = validators.description(request.description)
    return RuleSetRow(request.name, description, written_rules(rules), now, now)


def insert(
    db: Connection, actor: Actor, kind: RuleSetKind, row: RuleSetRow, given: list[str]
) -> None:
    """Record a new one, with its rules as they were given. Raises Conflict if the name is taken."""
    if not rule_sets.insert(db, kind, actor.org_id, row):
        raise name_taken(kind, row.name)
    resource = f"{kind.plural}/{row.name}"
    audit.append(db, row.created_at, actor.org_id, actor, "create", resource, {"rules": given})


def name_taken(kind: RuleSetKind, name: str) -> Conflict:
    """Return the error for a name that there is."""
    return Conflict(
        f"there is a {kind} {name} already", hint=f"Change it with `opsicle {kind.plural} update`."
    )


def update(
    db: Connection,
    actor: Actor,
    kind: RuleSetKind,
    old: RuleSetRow,
    changed: RuleSetChange,
    now: datetime,
) -> RuleSetRow:
    """Change what is given.

    Raises NotAllowed for rules that give more than the caller has, Conflict if it was changed
    meanwhile.
    """
    name, before = old.name, read_rules(old.rules)
    after = before if changed.rules is None else changed.rules
    require_at_most(actor, change(before, after), f"change the {kind} {name} so")

    new = msgspec.structs.replace(
        old,
        description=old.description if changed.description is None else changed.description,
        rules=written_rules(after),
        updated_at=now,
        deciding_seq=audit.next_seq(db, actor.org_id)
        if deciding_change(before, after)
        else old.deciding_seq,
    )
    if not rule_sets.update(db, kind, actor.org_id, old, new):
        raise Conflict(f"the {kind} {name} changed meanwhile", hint="Look at it, and try again.")

    data = {"rules": texts(after), "before": texts(before)}
    audit.append(db, now, actor.org_id, actor, "update", f"{kind.plural}/{name}", data)
    return new


def texts(rules: tuple[Rule, ...]) -> list[str]:
    """Return rules as people write them."""
    return [str(rule) for rule in rules]
