"""Documents of approval policies: ours, the older forms, and every mistake with its place."""

from __future__ import annotations

import json
from pathlib import Path

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
    PolicyUse,
    Requesters,
    Scope,
)
from opsicle.domain.policy_parser import PolicyDocument, RequestDocument, digest, without_seeds
from opsicle.domain.stored_templates import decode_template
from opsicle.domain.template_parser import parse_document, parse_policy, parse_template
from tests.support import require

UPSTREAM = next(
    (
        found
        for folder in Path(__file__).parents
        if (found := folder / "shared/real/opsicle-upstream").is_dir()
    ),
    None,
)
SEED = "SPKYRLYDMW46GOQKSQRGKWRYMQI6IA4O"
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
    "nobody in the chat": (
        HEAD + "  telegram: {chatIds: [1]}\n",
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


OLDER = (
    HEAD
    + """\
  telegram:
    authorizedResponders:
    - userId: 267230627
      mfaSeed: SEED
    chatIds: [-5]
"""
)


def older(seed: str) -> str:
    return OLDER.replace("SEED", seed)


@pytest.mark.parametrize("bad", ["12345678901234567890", "'short seed 1'", "[zz9]", "true"])
def test_a_seed_that_is_none_is_refused_and_never_repeated(bad: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_policy(older(bad).encode())
    [problem] = caught.value.problems
    assert (problem.path, problem.line) == ("spec.telegram.authorizedResponders[0].mfaSeed", 8)
    assert bad.strip("'[]") not in problem.message.split()


def test_a_seed_demands_a_code_and_is_kept_nowhere() -> None:
    document = parse_policy(older(SEED).encode())
    assert document.policy.gates == (
        Gate(
            name="telegram",
            approvers=Approvers(chat_users=(Chat("telegram", "267230627"),)),
            require_mfa=True,
            chats=(Chat("telegram", "-5"),),
        ),
    )
    assert [problem.line for problem in document.warnings] == [8]
    assert "enrol" in document.warnings[0].message
    assert SEED not in repr(document)


def test_a_document_without_its_seeds_says_the_same() -> None:
    kept = without_seeds(older(SEED))
    assert SEED not in kept
    again = parse_policy(kept.encode())
    assert again.policy == parse_policy(older(SEED).encode()).policy
    assert again.warnings == ()


def test_a_seed_behind_an_escape_is_not_kept_by_accident() -> None:
    with pytest.raises(InvalidInput, match="cannot be used"):
        without_seeds(older('"\\x53' + SEED[1:] + '"'))


def upstream(kind: str) -> list[Path]:
    require(
        UPSTREAM is not None, "the older Opsicle's own documents (shared/real/opsicle-upstream)"
    )
    assert UPSTREAM
    return sorted((UPSTREAM / kind).glob("*.yaml"))


def test_every_document_of_the_older_opsicle_loads_or_says_what_to_change() -> None:
    refused, told = {}, ""
    for path in [
        path
        for kind in ("approval", "approvalPolicy", "automation", "automationTemplate")
        for path in upstream(kind)
    ]:
        try:
            assert parse_document(path.read_bytes())
        except InvalidInput as error:
            refused[path.name] = [(problem.path, problem.line) for problem in error.problems]
            told = error.problems[0].message
    assert refused == {"tg-wo-mfa.yaml": [("spec.telegram", 12)]}
    assert "`authorizedResponders: [{userId: …}]`" in told


def test_the_older_policy_asks_its_responder_for_a_code() -> None:
    [path] = upstream("approvalPolicy")
    document = parse_document(path.read_bytes())
    assert isinstance(document, PolicyDocument)
    assert document.name == "tg-one"
    assert document.policy.gates[0].require_mfa
    assert SEED not in repr(document)


def test_the_older_requests_are_read_and_say_what_takes_their_place() -> None:
    [path] = [path for path in upstream("approval") if path.name == "slack-w-mfa.yaml"]
    document = parse_document(path.read_bytes())
    assert isinstance(document, RequestDocument)
    assert (document.id, document.requester_id, document.requester_name) == (
        "slack-w-mfa-001",
        "user@company.co",
        "y0l0",
    )
    assert document.policy.gates[0].approvers.chat_users == (Chat("slack", "U0626N0TPJ7"),)
    assert document.policy.gates[0].chats == (Chat("slack", "dev-opsicle-approvals"),)
    assert "`ApprovalPolicy`" in document.warnings[0].message


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
