"""The roles of an org: the built-in ones, to which it may add rules, and its own."""

from __future__ import annotations

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.access import BuiltInRole as BuiltIn
from opsicle.domain.errors import Conflict, NotFound
from opsicle.domain.rules import OWN_ROLE_RULES, built_in_rules
from opsicle.kit.clock import Clock
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import (
    ROLES,
    shown_rules,
)
from opsicle.server.approvals.stuck import templates_left_stuck
from opsicle.server.http.paging import page_of
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.server.members import rule_sets
from opsicle.server.members.rule_sets import RuleSetChange, texts
from opsicle.server.store import audit, roles
from opsicle.server.store import rule_sets as stored
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.rule_sets import RuleSetKind, RuleSetRow
from opsicle.wire.access_api import CreateRoleRequest, Role, UpdateRoleRequest
from opsicle.wire.pages import Page

MEANINGS = {
    BuiltIn.ADMIN: "everything",
    BuiltIn.MANAGER: "people: those who may no more than themselves",
    BuiltIn.OPERATOR: "templates, workers, every automation",
    BuiltIn.APPROVER: "decides where a policy names the role",
    BuiltIn.MEMBER: "runs templates, cancels their own",
    BuiltIn.REPORTER: "looks, and reads the record",
}

_ROLE = RuleSetKind.ROLE


class Roles:
    """Shows and changes roles. Whoever has a role has its new rights from their next request on."""

    def __init__(
        self, database: Database, sessions: Sessions, step_up: StepUp, clock: Clock
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._step_up = step_up
        self._clock = clock

    def list_roles(self, actor: Actor, cursor: str, limit: int) -> Page[Role]:
        """Return all roles by name, with what they give and how many people have them."""
        actor.require(Action.ROLES_VIEW)

        def query(db: Connection) -> list[Role]:
            rows = {
                row.name: row
                for row in stored.list_by_name(db, _ROLE, actor.org_id, cursor, limit + 1)
            }
            names = sorted({*rows, *(name for name in ROLES if name > cursor)})[: limit + 1]
            return [_shown(db, actor.org_id, name, rows.get(name)) for name in names]

        return page_of(self._database.read(query), limit, lambda role: role, lambda role: role.name)

    def get(self, actor: Actor, name: str) -> Role:
        """Return one role. Raises NotFound."""
        actor.require(Action.ROLES_VIEW)
        return self._database.read(lambda db: _get(db, actor.org_id, name))

    def create(self, actor: Actor, request: CreateRoleRequest) -> Role:
        """Make a role of the org's own.

        Raises InvalidInput for a name or rule that cannot be, Conflict if the name is taken,
        NotAllowed for rules that give more than the caller has, StepUpRequired.
        """
        self._step_up.require(actor, Action.ROLES_MANAGE)
        row = rule_sets.new_row(actor, _ROLE, request, self._clock.now())
        if row.name in ROLES:
            raise rule_sets.name_taken(_ROLE, row.name)

        def work(db: Connection) -> Role:
            rule_sets.insert(db, actor, _ROLE, row, request.rules)
            return _get(db, actor.org_id, row.name)

        return self._sessions.change(work)

    def update(self, actor: Actor, name: str, request: UpdateRoleRequest) -> Role:
        """Change what is given; of a built-in role only the rules that the org adds to it.

        Raises NotFound; InvalidInput for a rule that cannot be; Conflict for `admin`, which nothing
        is added to or taken from; NotAllowed for rules that give more than the caller has;
        StepUpRequired.
        """
        self._step_up.require(actor, Action.ROLES_MANAGE)
        changed = RuleSetChange.of(request)
        if name == BuiltIn.ADMIN:
            raise Conflict("the role admin cannot be changed", hint="Make a role of your own.")
        if name in ROLES and changed.description is not None:
            raise validators.invalid(
                "description", "a built-in role has the description that it has"
            )

        def work(db: Connection) -> Role:
            old = stored.find(db, _ROLE, actor.org_id, name) or self._insert_built_in(
                db, actor, name
            )
            rule_sets.update(db, actor, _ROLE, old, changed, self._clock.now())
            return msgspec.structs.replace(
                _get(db, actor.org_id, name), leaves_stuck=templates_left_stuck(db, actor.org_id)
            )

        return self._sessions.change(work)

    def _insert_built_in(self, db: Connection, actor: Actor, name: str) -> RuleSetRow:
        """Return the row of a built-in role that nothing was added to yet.

        Raises NotFound for any other.
        """
        if name not in ROLES:
            raise _not_found(name)
        now = self._clock.now()
        row = RuleSetRow(name, "", "[]", now, now)
        stored.insert(db, _ROLE, actor.org_id, row)
        return row

    def delete(self, actor: Actor, name: str) -> None:
        """Remove a role of the org's own.

        Raises NotFound; Conflict if somebody has it or it is built in.
        """
        self._step_up.require(actor, Action.ROLES_MANAGE)

        def work(db: Connection) -> None:
            role = _get(db, actor.org_id, name)
            if role.is_built_in:
                raise Conflict(
                    f"the role {name} is built in",
                    hint="Only roles of the org's own can be deleted.",
                )
            if not roles.delete(db, actor.org_id, name):
                raise Conflict(
                    f"{role.member_count} people have the role {name}",
                    hint="Give them another with `opsicle users update`.",
                )

            data = {"rules": role.rules}
            audit.append(
                db, self._clock.now(), actor.org_id, actor, "delete", f"roles/{name}", data
            )

        self._sessions.change(work)


def _get(db: Connection, org_id: str, name: str) -> Role:
    row = stored.find(db, _ROLE, org_id, name)
    if row is None and name not in ROLES:
        raise _not_found(name)
    return _shown(db, org_id, name, row)


def _not_found(name: str) -> NotFound:
    return NotFound(f"there is no role {name}", hint="`opsicle roles list` shows them.")


def _shown(db: Connection, org_id: str, name: str, row: RuleSetRow | None) -> Role:
    built_in = BuiltIn(name) if name in ROLES else None
    return Role(
        name=name,
        description=MEANINGS[built_in] if built_in else row.description if row else "",
        is_built_in=built_in is not None,
        built_in_rules=texts(built_in_rules(built_in) if built_in else OWN_ROLE_RULES),
        rules=shown_rules(row.rules) if row else [],
        member_count=roles.count_members(db, org_id, name),
        updated_at=row.updated_at if row else None,
    )
