"""Which policies of an org apply to what names none, and what several ask together.

As with conditions, what is not known fits, so that nothing escapes a policy by leaving out a label.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from opsicle.domain.conditions import may_equal
from opsicle.domain.policies import Gate, GateOrder, Policy, Requesters, Scope


class PolicyRequester(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, with who answers for them.

    A service account is no way around what its owner falls under.
    """

    is_service_account: bool
    emails: frozenset[str]
    roles: frozenset[str]
    groups: frozenset[str]


class TemplateScope(msgspec.Struct, frozen=True):
    """A template as scopes see it: its own labels, and those of where it runs."""

    labels: Mapping[str, str]
    runs_on: Mapping[str, str]


def applies(policy: Policy, place: TemplateScope, requester: PolicyRequester | None) -> bool:
    """Return whether a policy applies by itself.

    Without a requester: whether it could, whoever asks.
    """
    return any(_fits(scope, place, requester) for scope in policy.applies_to)


def applies_to_everyone(policy: Policy, place: TemplateScope) -> bool:
    """Return whether a policy applies by itself to all who ask."""
    return any(
        scope.requesters is None and _fits(scope, place, None) for scope in policy.applies_to
    )


def combined(policies: Sequence[Policy]) -> Policy:
    """Return one policy that asks for all that several ask.

    Gates of the same name get their policies' before it.

    They are asked one after another unless all of the policies ask at once.
    """
    if len(policies) == 1:
        return policies[0]

    names = [gate.name for policy in policies for gate in policy.gates]
    twice = {name for name in names if names.count(name) > 1}
    gates = [
        gate if gate.name not in twice else _renamed(policy, gate)
        for policy in policies
        for gate in policy.gates
    ]

    is_parallel = all(policy.order is GateOrder.PARALLEL for policy in policies)
    return Policy(
        name=" + ".join(policy.name or "its own" for policy in policies),
        order=GateOrder.PARALLEL if is_parallel else GateOrder.SEQUENTIAL,
        gates=tuple(gates),
    )


def _renamed(policy: Policy, gate: Gate) -> Gate:
    return msgspec.structs.replace(gate, name=f"{policy.name or 'own'}/{gate.name}")


def _fits(scope: Scope, place: TemplateScope, requester: PolicyRequester | None) -> bool:
    if scope.requesters and requester and not _is_named(scope.requesters, requester):
        return False
    return _labels_fit(scope.labels, place.labels, is_exact=False) and _labels_fit(
        scope.runs_on, place.runs_on, is_exact=True
    )


def _labels_fit(
    wanted: Mapping[str, Sequence[str]], labels: Mapping[str, str], *, is_exact: bool
) -> bool:
    """Return whether every label has one of its values, or none at all.

    A template's own labels are free text.
    """
    for key, values in wanted.items():
        known = labels.get(key)
        if known is None or known in values:
            continue
        if is_exact or not any(may_equal(known, value) for value in values):
            return False
    return True


def _is_named(requesters: Requesters, requester: PolicyRequester) -> bool:
    return (
        (requesters.service_accounts and requester.is_service_account)
        or not requester.emails.isdisjoint(requesters.users)
        or not requester.roles.isdisjoint(requesters.roles)
        or not requester.groups.isdisjoint(requesters.groups)
    )


def names_of(policies: Iterable[Policy]) -> str:
    """Name policies in a message."""
    return ", ".join(policy.name for policy in policies)
