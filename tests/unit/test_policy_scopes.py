"""What a policy applies to by itself: read, and every mistake with its place."""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.policies import (
    Policy,
    Requesters,
    Scope,
)
from opsicle.domain.template_parser import parse_policy

HEAD = "apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {name: p}\nspec:\n"


def scopes(text: str) -> bytes:
    return (
        HEAD + f"  appliesTo: {text}\n  gates: [{{name: g, approvers: {{manager: true}}}}]\n"
    ).encode()


def test_what_a_policy_applies_to_by_itself_is_read() -> None:
    labelled = "labels: {team: [payments, 'web shop']}, runsOn: {env: production, zone: ['1']}"
    asked_by = "serviceAccounts: true, users: [Bob@example.com], groups: [sre], roles: [member]"
    lines = f"[{{everything: true}}, {{{labelled}}}, {{requesters: {{{asked_by}}}}}]"

    policy = parse_policy(scopes(lines)).policy

    assert policy.applies_to == (
        Scope(everything=True),
        Scope(
            labels={"team": ("payments", "web shop")},
            runs_on={"env": ("production",), "zone": ("1",)},
        ),
        Scope(
            requesters=Requesters(
                service_accounts=True,
                users=("bob@example.com",),
                groups=("sre",),
                roles=("member",),
            )
        ),
    )
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy


WRONG_SCOPES = {
    "an empty list": ("[]", "appliesTo", "at least one item"),
    "an empty line": ("[{}]", "appliesTo[0]", "says nothing"),
    "everything and less": ("[{everything: true, labels: {a: b}}]", "appliesTo[0]", "stands alone"),
    "not everything": ("[{everything: false}]", "appliesTo[0]", "stands alone"),
    "nobody": ("[{requesters: {}}]", "appliesTo[0].requesters", "names nobody"),
    "a role in capitals": (
        "[{requesters: {roles: [Admin]}}]",
        "appliesTo[0].requesters.roles",
        "write `admin`",
    ),
    "no labels": ("[{labels: {}}]", "appliesTo[0].labels", "is empty"),
    "no values": ("[{labels: {team: []}}]", "appliesTo[0].labels.team", "between 1 and"),
    "an empty value": ("[{labels: {team: ''}}]", "appliesTo[0].labels.team", "is empty"),
    "no label of a worker": (
        "[{runsOn: {env: 'a b'}}]",
        "appliesTo[0].runsOn.env",
        "no value of a label",
    ),
    "an unknown field": ("[{targets: {a: b}}]", "appliesTo[0].targets", "unknown field"),
}


@pytest.mark.parametrize(("text", "path", "message"), WRONG_SCOPES.values(), ids=WRONG_SCOPES)
def test_what_a_policy_cannot_apply_to_is_a_mistake(text: str, path: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_policy(scopes(text))

    found = [(each.path, each.message) for each in caught.value.problems]
    assert any(where == f"spec.{path}" and message in said for where, said in found), found


def test_a_condition_on_a_variable_is_told_of_where_the_policy_applies_by_itself() -> None:
    gate = (
        "{name: g, approvers: {manager: true}, when: [{variable: a, in: [b]}, {label: c, in: [d]}]}"
    )
    source = HEAD + f"  appliesTo: [{{everything: true}}]\n  gates: [{gate}]\n"

    [warning] = parse_policy(source.encode()).warnings

    assert warning.path == "spec.gates[0].when[0]"
