"""Groups of people. Approval policies name them, and their rules are their members'."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, NotFound, required
from opsicle.domain.names import TEMPLATE_NAME, TEMPLATE_NAME_RULE
from opsicle.domain.rights import change
from opsicle.domain.rules import Rule, parse_rules
from opsicle.kit.clock import Clock
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import (
    deciding_change,
    read_rules,
    require_at_most,
    rights_of,
    shown_rules,
    written_rules,
)
from opsicle.server.approvals.stuck import templates_left_stuck
from opsicle.server.http.paging import page_of
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.server.members.guards import get_member
from opsicle.server.members.named_approvers import (
    ApproverNaming,
    require_policies_for,
    require_policies_to_leave,
)
from opsicle.server.members.removals import require_confirmation
from opsicle.server.store import audit, groups
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.groups import GroupRow
from opsicle.server.store.memberships import MemberRow
from opsicle.wire.access_api import CreateGroupRequest, Group, GroupMember, UpdateGroupRequest
from opsicle.wire.pages import Page


class Groups:
    """Shows and changes groups. Rights that a group gives hold from the next request on."""

    def __init__(
        self, database: Database, sessions: Sessions, step_up: StepUp, clock: Clock
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._step_up = step_up
        self._clock = clock

    def list_groups(self, actor: Actor, cursor: str, limit: int) -> Page[Group]:
        """Return the org's groups by name, with their members."""
        actor.require(Action.GROUPS_VIEW)

        def query(db: Connection) -> list[Group]:
            rows = groups.list_by_name(db, actor.org_id, cursor, limit + 1)
            return [_shown(db, actor.org_id, row) for row in rows]

        return page_of(
            self._database.read(query), limit, lambda group: group, lambda group: group.name
        )

    def get(self, actor: Actor, name: str) -> Group:
        """Return one group. Raises NotFound."""
        actor.require(Action.GROUPS_VIEW)
        return self._database.read(
            lambda db: _shown(db, actor.org_id, _get(db, actor.org_id, name))
        )

    def create(self, actor: Actor, request: CreateGroupRequest) -> Group:
        """Make a group without members.

        Raises InvalidInput for a name or rule that cannot be, Conflict if the name is taken,
        NotAllowed for rules that give more than the caller has, StepUpRequired.
        """
        self._step_up.require(actor, Action.GROUPS_MANAGE)
        if not TEMPLATE_NAME.fullmatch(request.name):
            raise validators.invalid("name", f"the name must be {TEMPLATE_NAME_RULE}")

        rules = parse_rules(request.rules)
        require_at_most(actor, change((), rules), "make this group")
        now = self._clock.now()
        row = GroupRow(
            request.name,
            validators.description(request.description),
            written_rules(rules),
            now,
            now,
        )

        def work(db: Connection) -> Group:
            # Nobody belongs to it yet: since when its members may decide is settled by when they
            # join.
            if not groups.insert(db, actor.org_id, row):
                raise Conflict(
                    f"there is a group {row.name} already",
                    hint="Change it with `opsicle groups update`.",
                )

            audit.append(
                db,
                now,
                actor.org_id,
                actor,
                "create",
                f"groups/{row.name}",
                {"rules": request.rules},
            )
            return _shown(db, actor.org_id, row)

        return self._sessions.change(work)

    def update(self, actor: Actor, name: str, request: UpdateGroupRequest) -> Group:
        """Change what is given. Raises as `create` does, and NotFound."""
        self._step_up.require(actor, Action.GROUPS_MANAGE)
        rules = None if request.rules is UNSET else parse_rules(request.rules)
        description = (
            None if request.description is UNSET else validators.description(request.description)
        )

        def work(db: Connection) -> Group:
            old = _get(db, actor.org_id, name)
            before = read_rules(old.rules)
            after = before if rules is None else rules
            require_at_most(actor, change(before, after), f"change the group {name} so")

            new = msgspec.structs.replace(
                old,
                description=old.description if description is None else description,
                rules=written_rules(after),
                updated_at=self._clock.now(),
                deciding_seq=audit.next_seq(db, actor.org_id)
                if deciding_change(before, after)
                else old.deciding_seq,
            )
            if not groups.update(db, actor.org_id, old, new):
                raise Conflict(
                    f"the group {name} changed meanwhile", hint="Look at it, and try again."
                )

            data = {"rules": _texts(after), "before": _texts(before)}
            audit.append(db, new.updated_at, actor.org_id, actor, "update", f"groups/{name}", data)
            return _shown(db, actor.org_id, new, templates_left_stuck(db, actor.org_id))

        return self._sessions.change(work)

    def delete(self, actor: Actor, name: str, *, is_confirmed: bool = False) -> None:
        """Remove a group; its members lose what it gave.

        Raises NotFound; StepUpRequired; NotAllowed as `remove`; unless `is_confirmed`, LeavesBehind
        where approvals could not be given any more.
        """
        self._step_up.require(actor, Action.GROUPS_MANAGE)

        def work(db: Connection) -> None:
            old = _get(db, actor.org_id, name)
            require_at_most(actor, change(read_rules(old.rules), ()), f"remove the group {name}")
            require_policies_to_leave(db, actor, f"remove the group {name}", group=name)

            people = [member.email for member in groups.members(db, actor.org_id, name)]
            groups.remove_all(db, actor.org_id, name)
            groups.delete(db, actor.org_id, name)

            data = {"members": people, "rules": _texts(read_rules(old.rules))}
            audit.append(
                db, self._clock.now(), actor.org_id, actor, "delete", f"groups/{name}", data
            )
            if not is_confirmed:
                require_confirmation(db, actor.org_id, f"the group {name}")

        self._sessions.change(work)

    def add(self, actor: Actor, name: str, id_or_email: str) -> Group:
        """Let somebody join; again is harmless, and they have joined when they first did.

        Raises NotFound for group or person; NotAllowed for somebody, or for rules, beyond the
        caller's own rights, and for a group that a policy names unless the caller may manage
        policies.
        """

        def work(db: Connection, group: GroupRow, member: MemberRow) -> None:
            require_at_most(actor, change((), read_rules(group.rules)), f"add somebody to {name}")
            require_policies_for(
                db, actor, ApproverNaming(groups=(name,)), f"add somebody to {name}"
            )
            if groups.add(
                db,
                actor.org_id,
                name,
                member.user_id,
                self._clock.now(),
                audit.next_seq(db, actor.org_id),
            ):
                self._note(db, actor, "add_member", name, member)

        return self._change_members(actor, name, id_or_email, work)

    def remove(self, actor: Actor, name: str, id_or_email: str) -> Group:
        """Take somebody out; again is harmless.

        Raises NotFound for group or person; NotAllowed for somebody beyond the caller's own rights,
        or where the group denies what the caller may not do either.
        """

        def work(db: Connection, group: GroupRow, member: MemberRow) -> None:
            require_at_most(
                actor, change(read_rules(group.rules), ()), f"take somebody out of {name}"
            )
            require_policies_to_leave(db, actor, f"take somebody out of {name}", group=name)
            if groups.remove(db, actor.org_id, name, member.user_id):
                self._note(db, actor, "remove_member", name, member)

        return self._change_members(actor, name, id_or_email, work)

    def _change_members(
        self,
        actor: Actor,
        name: str,
        id_or_email: str,
        do: Callable[[Connection, GroupRow, MemberRow], None],
    ) -> Group:
        self._step_up.require(actor, Action.GROUPS_MANAGE)

        def work(db: Connection) -> Group:
            group = _get(db, actor.org_id, name)
            member = get_member(db, actor.org_id, id_or_email)
            require_at_most(
                actor, rights_of(db, actor.org_id, member.user_id), f"change {member.email}"
            )
            do(db, group, member)
            return _shown(db, actor.org_id, group, templates_left_stuck(db, actor.org_id))

        return self._sessions.change(work)

    def _note(self, db: Connection, actor: Actor, verb: str, name: str, member: MemberRow) -> None:
        data = {"user": member.user_id, "email": member.email}
        audit.append(db, self._clock.now(), actor.org_id, actor, verb, f"groups/{name}", data)


def _get(db: Connection, org_id: str, name: str) -> GroupRow:
    return required(
        groups.find(db, org_id, name),
        NotFound(f"there is no group {name}", hint="`opsicle groups list` shows them."),
    )


def _shown(db: Connection, org_id: str, row: GroupRow, stuck: Sequence[str] = ()) -> Group:
    return Group(
        name=row.name,
        description=row.description,
        rules=shown_rules(row.rules),
        members=[
            GroupMember(
                id=member.user_id, email=member.email, name=member.name, joined_at=member.joined_at
            )
            for member in groups.members(db, org_id, row.name)
        ],
        leaves_stuck=list(stuck),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _texts(rules: tuple[Rule, ...]) -> list[str]:
    return [str(rule) for rule in rules]
