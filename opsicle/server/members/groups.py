"""Groups of people. Approval policies name them, and their rules are their members'."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opsicle.domain.access import Action
from opsicle.domain.errors import NotFound, required
from opsicle.domain.rights import change
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import (
    read_rules,
    require_at_most,
    rights_of,
    shown_rules,
)
from opsicle.server.approvals.stuck import templates_left_stuck
from opsicle.server.http.paging import page_of
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.server.members import rule_sets
from opsicle.server.members.guards import get_member
from opsicle.server.members.named_approvers import (
    ApproverNaming,
    require_policies_for,
    require_policies_to_leave,
)
from opsicle.server.members.removals import require_confirmation
from opsicle.server.members.rule_sets import RuleSetChange, texts
from opsicle.server.store import audit, groups
from opsicle.server.store import rule_sets as stored
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.memberships import MemberRow
from opsicle.server.store.rule_sets import RuleSetKind, RuleSetRow
from opsicle.wire.access_api import CreateGroupRequest, Group, GroupMember, UpdateGroupRequest
from opsicle.wire.pages import Page

_GROUP = RuleSetKind.GROUP


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
            rows = stored.list_by_name(db, _GROUP, actor.org_id, cursor, limit + 1)
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
        row = rule_sets.new_row(actor, _GROUP, request, self._clock.now())

        def work(db: Connection) -> Group:
            # Nobody belongs to it yet: since when its members may decide is settled by when they
            # join.
            rule_sets.insert(db, actor, _GROUP, row, request.rules)
            return _shown(db, actor.org_id, row)

        return self._sessions.change(work)

    def update(self, actor: Actor, name: str, request: UpdateGroupRequest) -> Group:
        """Change what is given. Raises as `create` does, and NotFound."""
        self._step_up.require(actor, Action.GROUPS_MANAGE)
        changed = RuleSetChange.of(request)

        def work(db: Connection) -> Group:
            old = _get(db, actor.org_id, name)
            new = rule_sets.update(db, actor, _GROUP, old, changed, self._clock.now())
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

            data = {"members": people, "rules": texts(read_rules(old.rules))}
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

        def work(db: Connection, group: RuleSetRow, member: MemberRow) -> None:
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

        def work(db: Connection, group: RuleSetRow, member: MemberRow) -> None:
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
        do: Callable[[Connection, RuleSetRow, MemberRow], None],
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


def _get(db: Connection, org_id: str, name: str) -> RuleSetRow:
    return required(
        stored.find(db, _GROUP, org_id, name),
        NotFound(f"there is no group {name}", hint="`opsicle groups list` shows them."),
    )


def _shown(db: Connection, org_id: str, row: RuleSetRow, stuck: Sequence[str] = ()) -> Group:
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
