"""Documents of the older Opsicle: they load, or say what to change, and no seed is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.policies import (
    Approvers,
    Chat,
    Gate,
)
from opsicle.domain.policy_parser import PolicyDocument, RequestDocument, without_seeds
from opsicle.domain.template_parser import parse_document, parse_policy
from tests.support import require

HEAD = "apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {name: p}\nspec:\n"

UPSTREAM = next(
    (
        found
        for folder in Path(__file__).parents
        if (found := folder / "shared/real/opsicle-upstream").is_dir()
    ),
    None,
)

SEED = "SPKYRLYDMW46GOQKSQRGKWRYMQI6IA4O"

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


def test_every_document_of_the_older_opsicle_loads() -> None:
    for kind in ("approval", "approvalPolicy", "automation", "automationTemplate"):
        for path in upstream(kind):
            assert parse_document(path.read_bytes())


def test_a_chat_with_one_person_names_who_may_agree_and_any_other_does_not() -> None:
    form = HEAD + "  telegram: {chatIds: [267230627, %s]}\n"
    [gate] = parse_policy((form % 267230628).encode()).policy.gates
    assert gate.approvers.chat_users == (
        Chat("telegram", "267230627"),
        Chat("telegram", "267230628"),
    )

    for room in ("-5", "'@all'"):
        with pytest.raises(InvalidInput) as caught:
            parse_policy((form % room).encode())
        [problem] = caught.value.problems
        assert (problem.path, problem.line) == ("spec.telegram", 5)
        assert "`authorizedResponders: [{userId: …}]`" in problem.message


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
