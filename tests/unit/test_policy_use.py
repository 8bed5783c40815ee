"""Which policy a template asks for: by name, of its own, or none."""

from __future__ import annotations

import json

import msgspec
import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.policies import (
    Approvers,
    Gate,
    Policy,
    PolicyUse,
)
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.template_parser import parse_template

PLAIN = """\
apiVersion: v1
type: AutomationTemplate
metadata: {name: t}
spec:
  template: {phases: [{name: a, commands: [b]}]}
"""


def kept_before(policy: object) -> str:
    """Return a template as versions before this one have stored it."""
    tree = msgspec.json.decode(msgspec.json.encode(parse_template(PLAIN.encode())))
    return json.dumps(tree | {"approval_policy": policy})


def test_a_template_that_was_kept_before_approvals_still_asks() -> None:
    assert decode_template(kept_before({"policyRef": "prod"})).approval_policy == PolicyUse(
        policy_ref="prod"
    )

    inline = {"spec": {"gates": [{"name": "g", "approvers": {"manager": True}}]}}
    gates = (Gate(name="g", approvers=Approvers(manager=True)),)

    assert decode_template(kept_before(inline)).approval_policy == PolicyUse(
        policy=Policy(gates=gates)
    )


@pytest.mark.parametrize("policy", [{"spec": {"gates": "x"}}, {"since": 1}, {"spec": {}}])
def test_a_kept_policy_that_cannot_be_read_is_one_that_nobody_can_satisfy(policy: object) -> None:
    assert decode_template(kept_before(policy)).approval_policy == PolicyUse()


def test_a_template_names_a_policy_or_has_one_but_not_both() -> None:
    spec = "{gates: [{name: g, approvers: {manager: true}}]}"
    both = PLAIN + f"  approvalPolicy: {{policyRef: a, spec: {spec}}}\n"

    with pytest.raises(InvalidInput) as caught:
        parse_template(both.encode())
    assert [problem.path for problem in caught.value.problems] == ["spec.approvalPolicy"]


def test_a_template_says_that_no_policy_is_to_apply_and_has_none_that_applies_by_itself() -> None:
    head = "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: t}\nspec:\n"
    tail = "  template: {phases: [{name: a, commands: [b]}]}\n"

    assert parse_template(
        f"{head}  approvalPolicy: none\n{tail}".encode()
    ).approval_policy == PolicyUse(is_waived=True)

    own = (
        "{spec: {appliesTo: [{everything: true}], gates: [{name: g, approvers: {manager: true}}]}}"
    )
    for wrong in ("nobody", "''", "None", own):
        with pytest.raises(InvalidInput):
            parse_template(f"{head}  approvalPolicy: {wrong}\n{tail}".encode())
