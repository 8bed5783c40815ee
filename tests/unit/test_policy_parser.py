"""Documents of approval policies: every field, and every mistake with its place."""

from __future__ import annotations

import msgspec
import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.policies import (
    Approvers,
    Chat,
    Condition,
    Escalation,
    Gate,
    GateOrder,
    Policy,
)
from opsicle.domain.policy_parser import digest
from opsicle.domain.template_parser import parse_policy

HEAD = "apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {name: p}\nspec:\n"

FULL = (
    HEAD
    + """\
  order: parallel
  gates:
    - name: line-manager
      approvers:
        manager: true
        users: [Bob@Example.com]
        groups: [sre]
        roles: [approver]
        chatUsers: [{channel: slack, id: U1}]
      required: 2
      rejectionsToEnd: 2
      requireReason: true
      requireMfa: true
      allowRequester: true
      expiresAfter: 7200
      remindAfter: 3600
      escalate: [{after: 5400, to: {roles: [admin]}}]
      when: [{variable: target, in: [production, 3, true]}, {label: site, in: [ams]}]
      chats: [{channel: telegram, id: -100}]
"""
)


def test_every_field_of_a_policy_is_read() -> None:
    assert parse_policy(FULL.encode()).policy == Policy(
        name="p",
        order=GateOrder.PARALLEL,
        gates=(
            Gate(
                name="line-manager",
                approvers=Approvers(
                    manager=True,
                    users=("bob@example.com",),
                    groups=("sre",),
                    roles=("approver",),
                    chat_users=(Chat("slack", "U1"),),
                ),
                required=2,
                rejections_to_end=2,
                require_reason=True,
                require_mfa=True,
                allow_requester=True,
                expires_after=7200,
                remind_after=3600,
                escalate=(Escalation(5400, Approvers(roles=("admin",))),),
                when=(
                    Condition(variable="target", any_of=("production", 3, True)),
                    Condition(label="site", any_of=("ams",)),
                ),
                chats=(Chat("telegram", "-100"),),
            ),
        ),
    )


def test_a_policy_survives_being_kept_as_json() -> None:
    policy = parse_policy(FULL.encode()).policy
    kept = msgspec.json.decode(msgspec.json.encode(policy), type=Policy)
    assert (kept, digest(kept)) == (policy, digest(policy))


GATE = "spec.gates[0]"


def gate(more: str, approvers: str = "{manager: true}") -> str:
    return HEAD + f"  gates:\n    - name: g\n      approvers: {approvers}\n      {more}\n"


MISTAKES = {
    "no gates": (HEAD + "  order: parallel\n", "spec.gates", 5, "is missing"),
    "empty gates": (HEAD + "  gates: []\n", "spec.gates", 5, "at least one"),
    "a wrong order": (
        HEAD + "  order: anyhow\n  gates: [{name: g, approvers: {manager: true}}]",
        "spec.order",
        5,
        "or",
    ),
    "no approvers": (HEAD + "  gates: [{name: g}]\n", f"{GATE}.approvers", 5, "is missing"),
    "nobody": (gate("required: 1", "{}"), f"{GATE}.approvers", 7, "names nobody"),
    "no mail address": (
        gate("required: 1", "{users: [bob]}"),
        f"{GATE}.approvers.users[0]",
        7,
        "e-mail address",
    ),
    "a role in capitals": (
        gate("required: 1", "{roles: [Admin]}"),
        f"{GATE}.approvers.roles",
        7,
        "write `admin`",
    ),
    "an unknown field": (gate("requierd: 2"), f"{GATE}.requierd", 8, "did you mean `required`?"),
    "none required": (gate("required: 0"), f"{GATE}.required", 8, "between 1 and"),
    "no seconds": (gate("expiresAfter: 1d"), f"{GATE}.expiresAfter", 8, "whole number"),
    "a reminder too late": (
        gate("remindAfter: 86400"),
        f"{GATE}.remindAfter",
        8,
        "would never come",
    ),
    "an escalation too late": (
        gate("escalate: [{after: 90000, to: {manager: true}}]"),
        f"{GATE}.escalate[0].after",
        8,
        "would never come",
    ),
    "an escalation to nobody": (
        gate("escalate: [{after: 9}]"),
        f"{GATE}.escalate[0].to",
        8,
        "is missing",
    ),
    "an escalation without time": (
        gate("escalate: [{to: {manager: true}}]"),
        f"{GATE}.escalate[0].after",
        8,
        "is missing",
    ),
    "a condition on nothing": (
        gate("when: [{in: [a]}]"),
        f"{GATE}.when[0]",
        8,
        "either `variable` or `label`",
    ),
    "a condition on both": (
        gate("when: [{variable: a, label: b, in: [c]}]"),
        f"{GATE}.when[0]",
        8,
        "either `variable` or `label`",
    ),
    "a condition without values": (
        gate("when: [{variable: a}]"),
        f"{GATE}.when[0]",
        8,
        "either `in` or `notIn`",
    ),
    "two gates of a name": (
        gate("required: 1") + "    - {name: g, approvers: {manager: true}}\n",
        "spec.gates[1]",
        9,
        "further up",
    ),
    "both forms": (
        gate("required: 1") + "  telegram: {authorizedResponders: [{userId: 1}]}\n",
        "spec",
        5,
        "has both",
    ),
    "nobody in the group's chat": (
        HEAD + "  telegram: {chatIds: [-1]}\n",
        "spec.telegram",
        5,
        "names nobody who may agree",
    ),
    "a responder without id": (
        HEAD + "  telegram: {authorizedResponders: [{}]}\n",
        "spec.telegram.authorizedResponders[0].userId",
        5,
        "is missing",
    ),
    "another channel": (
        gate("chats: [{channel: fax, id: 1}]"),
        f"{GATE}.chats[0].channel",
        8,
        "`telegram` or `slack`",
    ),
}


@pytest.mark.parametrize(("document", "path", "line", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_path_and_line(
    document: str, path: str, line: int, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_policy(document.encode())

    told = [
        (problem.path, problem.line)
        for problem in caught.value.problems
        if message in problem.message
    ]
    assert told == [(path, line)], caught.value.problems
