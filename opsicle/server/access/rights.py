"""What a member of an org may do, put together from all the rules that are about them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.access import Action, BuiltInRole
from opsicle.domain.errors import InvalidInput, NotAllowed, Unreadable
from opsicle.domain.rights import NO_RIGHTS, Layer, Rights, change, grants_of, missing_rights
from opsicle.domain.rules import OWN_ROLE_RULES, Rule, built_in_rules, parse_rules
from opsicle.domain.stored_json import CANNOT_BE_READ
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.store import groups, memberships, rule_sets
from opsicle.server.store.database import Connection
from opsicle.server.store.memberships import MemberRow
from opsicle.server.store.rule_sets import RuleSetKind, RuleSetRow

ROLES = frozenset(map(str, BuiltInRole))
NO_RULES = "[]"
"""Of a person: how it is stored that they have none of their own."""


def rights_of(db: Connection, org_id: str, user_id: str) -> Rights:
    """Return all that somebody may do in an org; nothing if they are no member of it.

    A service account may do what both its own role and its owner allow.
    """
    member = memberships.find(db, org_id, user_id)
    if member is None:
        return NO_RIGHTS
    if member.role == BuiltInRole.ADMIN:
        return rights_of_org_role(db, org_id, member.role)
    own = _own_rights(
        member, role_grants(db, org_id, member.role), groups.list_of_user(db, org_id, user_id)
    )
    return own.below(*rights_of(db, org_id, member.owner_id).layers) if member.owner_id else own


_NEVER = 2**53
"""Higher than the number of any entry of a record."""


class OrgRights:
    """What many people of an org may do, put together as in `rights_of`, within one transaction.

    Roles and groups are read once, and the rights of those who have the same role and groups are
    made once.
    """

    def __init__(self, db: Connection, org_id: str) -> None:
        self._roles = {
            row.name: row for row in rule_sets.list_by_name(db, RuleSetKind.ROLE, org_id, "", -1)
        }
        self._groups = {
            row.name: row for row in rule_sets.list_by_name(db, RuleSetKind.GROUP, org_id, "", -1)
        }
        self._made: dict[tuple[str, frozenset[str]], Rights] = {}

    def rights(
        self, user_id: str, members: Mapping[str, MemberRow], joined: Mapping[str, Collection[str]]
    ) -> Rights:
        """Return all that somebody may.

        Nothing if they are not among `members`, or if their rules cannot be read.

        `members` must hold the owners of service accounts too, and `joined` the names of
        everybody's groups.
        """
        member = members.get(user_id)
        if member is None:
            return NO_RIGHTS
        try:
            own = self._own(member, frozenset(joined.get(user_id, ())))
        except Unreadable:
            return NO_RIGHTS
        if member.role == BuiltInRole.ADMIN or not member.owner_id:
            return own
        return own.below(*self.rights(member.owner_id, members, joined).layers)

    def deciding_seq(
        self,
        user_id: str,
        members: Mapping[str, MemberRow],
        joined: Mapping[str, Mapping[str, int]],
    ) -> int:
        """Return the number of the entry since which somebody may decide on approvals.

        Whichever of their role, groups and own rules came first counts; a service account may only
        since its owner may.
        """
        try:
            return self._deciding_seq(user_id, members, joined)
        except Unreadable:
            return _NEVER

    def _deciding_seq(
        self,
        user_id: str,
        members: Mapping[str, MemberRow],
        joined: Mapping[str, Mapping[str, int]],
    ) -> int:
        member = members.get(user_id)
        if member is None:
            return 0

        role = self._roles.get(member.role)
        sources = [
            (_rules_of_role(member.role, None), member.role_seq),
            (
                read_rules(role.rules) if role else (),
                max(member.role_seq, role.deciding_seq if role else 0),
            ),
            (read_rules(member.rules), member.rules_seq),
        ]
        for name, seq in joined.get(user_id, {}).items():
            group = self._groups[name]
            sources.append((read_rules(group.rules), max(seq, group.deciding_seq)))

        own = min((seq for rules, seq in sources if allows_deciding(rules)), default=0)
        above = self.deciding_seq(member.owner_id, members, joined) if member.owner_id else 0
        return max(own, above)

    def _own(self, member: MemberRow, names: frozenset[str]) -> Rights:
        if member.rules != NO_RULES:
            return self._put_together(member, names)
        key = (member.role, names)
        if key not in self._made:
            self._made[key] = self._put_together(member, names)
        return self._made[key]

    def _put_together(self, member: MemberRow, names: frozenset[str]) -> Rights:
        role = grants_of(
            _rules_of_role(member.role, self._roles.get(member.role)), f"role {member.role}"
        )
        return _own_rights(member, role, [self._groups[name] for name in sorted(names)])


def _own_rights(member: MemberRow, role: Layer, joined: Iterable[RuleSetRow]) -> Rights:
    """Return what somebody may by their role, groups and own rules, whoever owns them.

    An admin's role is all of it.
    """
    if member.role == BuiltInRole.ADMIN:
        return Rights((role,), is_admin=True)
    layer = role
    for group in joined:
        layer += grants_of(read_rules(group.rules), f"group {group.name}")
    return Rights(((*layer, *grants_of(read_rules(member.rules), f"user {member.email}")),))


def rights_of_org_role(db: Connection, org_id: str, name: str) -> Rights:
    """Return what somebody may by having this role alone."""
    return Rights((role_grants(db, org_id, name),), is_admin=name == BuiltInRole.ADMIN)


def role_grants(db: Connection, org_id: str, name: str) -> Layer:
    """Return what a role gives in an org: built in, and the org's own rules."""
    return grants_of(role_rules(db, org_id, name), f"role {name}")


def role_rules(db: Connection, org_id: str, name: str) -> tuple[Rule, ...]:
    """Return the rules of a role; none if there is no such role."""
    return _rules_of_role(name, rule_sets.find(db, RuleSetKind.ROLE, org_id, name))


def _rules_of_role(name: str, row: RuleSetRow | None) -> tuple[Rule, ...]:
    own = read_rules(row.rules) if row else ()
    if name in ROLES:
        return (*built_in_rules(BuiltInRole(name)), *own)
    return (*OWN_ROLE_RULES, *own) if row else ()


def scope_grants(scopes: str) -> Layer:
    """Return what the scopes of a token leave of its holder's rights.

    Who one is may always be asked.
    """
    return grants_of((*parse_rules(["allow view account"]), *read_rules(scopes)), "token's scopes")


def rotated_secrets(scopes: str) -> frozenset[str]:
    """Return the single secrets that the scopes of a token let it update."""
    rules = read_rules(scopes)
    return frozenset(
        rule.name for rule in rules if rule.name and rule.covers(Action.SECRETS_UPDATE)
    )


def allows_deciding(rules: Iterable[Rule]) -> bool:
    """Return whether a rule among these allows people to decide on approvals."""
    return any(rule.effect == "allow" and rule.covers(Action.APPROVALS_DECIDE) for rule in rules)


def deciding_change(before: Iterable[Rule], after: Iterable[Rule]) -> bool:
    """Return whether a change of rules lets somebody decide on approvals who could not before."""
    return change(before, after).may(Action.APPROVALS_DECIDE)


def read_rules(text: str) -> tuple[Rule, ...]:
    """Rules as they are stored. Raises Unreadable."""
    texts = stored_json.read(text, list[str], "somebody's rules")
    try:
        return parse_rules(texts)
    except InvalidInput as error:
        raise Unreadable.of("somebody's rules") from error


def shown_rules(text: str) -> list[str]:
    """Rules as they are stored, for showing them."""
    try:
        return [str(rule) for rule in read_rules(text)]
    except Unreadable:
        return [CANNOT_BE_READ]


def written_rules(rules: Iterable[Rule]) -> str:
    """Rules in the form in which they are stored."""
    return msgspec.json.encode([str(rule) for rule in rules]).decode()


def require_role(db: Connection, org_id: str, name: str) -> None:
    """Raise InvalidInput unless the org has a role of this name."""
    if name not in ROLES and rule_sets.find(db, RuleSetKind.ROLE, org_id, name) is None:
        raise validators.invalid(
            "role", f"there is no role {name[:80]}", hint="`opsicle roles list` shows them."
        )


def require_at_most(actor: Actor, granted: Rights, what: str) -> None:
    """Raise NotAllowed if this is more than the actor themselves may.

    It is the one gate of everything that hands out rights.

    `what` completes "you may not …".
    """
    if missing := missing_rights(actor.rights, granted):
        raise NotAllowed(
            f"you may not {what}: that takes more than you may yourself ({missing})",
            hint="Ask an admin of your org.",
        )
