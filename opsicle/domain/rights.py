"""What somebody may do, from every rule that is about them.

And that nobody hands out more than they have.

Rights are layers. In each layer a rule that denies wins over one that allows, and nothing is
allowed without a rule. Something is allowed if every layer allows it: a person's rights are one
layer, a service account's have its owner's below its own, and an API token's scopes are one more on
top. Admins may everything, and no rule takes that away, so that an org cannot shut itself out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import msgspec

from opsicle.domain.access import TABLE, Action, BuiltInRole
from opsicle.domain.rules import NamedResource, Rule, built_in_rules


class Grant(msgspec.Struct, frozen=True):
    """A rule and whose it is, as in `role member` or `group oncall`."""

    rule: Rule
    source: str


class AccessDecision(msgspec.Struct, frozen=True):
    """Whether something is allowed. `grant` decided it; None: no rule allows it."""

    is_allowed: bool
    grant: Grant | None = None

    @property
    def why(self) -> str:
        """The reason in words."""
        if self.grant is None:
            return "no rule allows it"
        return f"{self.grant.rule}, of the {self.grant.source}"


Layer = tuple[Grant, ...]


class Rights(msgspec.Struct, frozen=True, dict=True):
    """What somebody may do.

    `server_actions` are those that no rule gives or takes: running the server, founding orgs.
    """

    layers: tuple[Layer, ...] = ((),)
    is_admin: bool = False
    server_actions: frozenset[Action] = frozenset()

    def decide(self, action: Action, target: NamedResource | None = None) -> AccessDecision:
        """Return whether they may, with this resource; without a target: with anything at all."""
        decisions = [_decide(about.get(action, ()), target) for about in self._by_action]
        return next((decision for decision in decisions if not decision.is_allowed), decisions[0])

    def may(self, action: Action, target: NamedResource | None = None) -> bool:
        """Return whether they may, with this resource; without a target: with anything at all."""
        return self.decide(action, target).is_allowed if target else action in self.actions

    @cached_property
    def _by_action(self) -> list[dict[Action, list[Grant]]]:
        """What each layer says of each action, in its order: every request asks."""
        return [_by_action(layer) for layer in self.layers]

    @cached_property
    def actions(self) -> frozenset[Action]:
        """All that they may do with anything at all."""
        return self.server_actions | {action for action in Action if self.decide(action).is_allowed}

    def depends_on_resource(self, action: Action) -> bool:
        """Return whether the answer differs from one template, or target, to another."""
        return action in self._scoped_actions

    @cached_property
    def _scoped_actions(self) -> frozenset[Action]:
        scoped = [grant.rule for layer in self.layers for grant in layer if grant.rule.is_scoped]
        return frozenset(action for action in Action if any(rule.covers(action) for rule in scoped))

    def below(self, *more: Layer) -> Rights:
        """Return the same, restricted by further layers.

        Nothing is left then of what goes beyond the org.
        """
        return Rights((*self.layers, *more)) if more else self

    def with_server_actions(self, actions: frozenset[Action]) -> Rights:
        """Return the same, and actions that go beyond the org."""
        return Rights(self.layers, self.is_admin, actions)


NO_RIGHTS = Rights()


def grants_of(rules: Iterable[Rule], source: str) -> Layer:
    """Rules with whose they are."""
    return tuple(Grant(rule, source) for rule in rules)


def rights_of_role(role: BuiltInRole) -> Rights:
    """Return what the table gives a built-in role."""
    return Rights(
        (grants_of(built_in_rules(role), f"role {role}"),), is_admin=role is BuiltInRole.ADMIN
    )


def change(old: Iterable[Rule], new: Iterable[Rule]) -> Rights:
    """Return what somebody gains where the old rules give way to the new.

    What is newly allowed or no longer denied.
    """
    before, after = set(old), tuple(new)
    denied = [rule for rule in after if rule.effect == "deny"]
    gained = [rule for rule in after if rule.effect == "allow" and rule not in before]
    restored = [
        msgspec.structs.replace(rule, effect="allow")
        for rule in before - set(denied)
        if rule.effect == "deny"
    ]
    return Rights((grants_of((*gained, *restored, *denied), "change"),))


def missing_rights(granter: Rights, granted: Rights) -> str:
    """Return what `granted` holds beyond `granter`, in words.

    Return "" if nothing: only then may the one hand out the other.

    It errs on the side of refusing: two scopes count as the same only if they are spelled alike.
    """
    if granter.is_admin:
        return ""
    if granted.is_admin:
        return "the rights of an admin"
    for layer in granter.layers:
        excesses = [_layer_excess(layer, theirs) for theirs in granted.layers]
        if all(excesses):
            return excesses[0]
    return ""


def _by_action(layer: Layer) -> dict[Action, list[Grant]]:
    found: dict[Action, list[Grant]] = {}
    for grant in layer:
        for action in grant.rule.actions:
            found.setdefault(action, []).append(grant)
    return found


def _decide(about: Sequence[Grant], target: NamedResource | None) -> AccessDecision:
    for grant in about:
        if grant.rule.effect == "deny" and (
            grant.rule.matches(target) if target else not grant.rule.is_scoped
        ):
            return AccessDecision(False, grant)
    for grant in about:
        if grant.rule.effect == "allow" and (target is None or grant.rule.matches(target)):
            return AccessDecision(True, grant)
    return AccessDecision(False)


def _layer_excess(mine: Layer, theirs: Layer) -> str:
    for action in Action:
        own = [grant.rule for grant in mine if grant.rule.covers(action)]
        given = [grant.rule for grant in theirs if grant.rule.covers(action)]
        if any(rule.effect == "deny" and not rule.is_scoped for rule in given):
            continue
        for rule in given:
            if rule.effect == "allow" and not _is_within(rule, own, given):
                permission = TABLE[action]
                scope = f"/{rule.scope}" if rule.is_scoped else ""
                return f"{permission.verb} {permission.resource}{scope}"
    return ""


def _is_within(allowed: Rule, own: list[Rule], given: list[Rule]) -> bool:
    """Return whether `own` rules give all that `allowed` gives, less what `given` denies."""
    kept_out = {rule.scope for rule in given if rule.effect == "deny"}
    for rule in own:
        is_apart = bool(rule.name and allowed.name and rule.name != allowed.name)
        if rule.effect == "deny" and rule.scope not in kept_out and not is_apart:
            return False
    return any(rule.effect == "allow" and rule.scope in ("", allowed.scope) for rule in own)
