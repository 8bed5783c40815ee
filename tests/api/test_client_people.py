"""What the command line shows of what people wrote, and what it says before somebody goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.test_client_commands import at_a_terminal
from tests.product import Installation, User

POLICY = """
apiVersion: v1
type: ApprovalPolicy
metadata: {name: p}
spec: {gates: [{name: g, approvers: {users: [bob@example.com]}}]}
"""

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: careful}
spec:
  approvalPolicy: {policyRef: p}
  variables: [{id: target, type: text, default: staging}]
  template: {phases: [{name: act, commands: ["echo a\\u202e b"]}]}
  # \u200b
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("people")) as installation:
        folder = tmp_path_factory.mktemp("documents")
        installation.person("bob@example.com", "operator")
        for noun, source in (("policies", POLICY), ("templates", TEMPLATE)):
            path = folder / f"{noun}.yaml"
            path.write_text(source)
            installation.admin.cli(noun, "push", str(path))
        yield installation


@pytest.fixture
def alice(installation: Installation) -> User:
    return installation.admin


def test_an_approval_shows_line_breaks_tabs_and_what_nobody_sees(alice: User, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text('target: "production\\n\\tfirst "\n')
    asked = alice.json("run", "careful", "--var-file", str(values), "--reason", "because\u200b")

    shown = alice.cli("approvals", "show", asked["approval_id"])

    assert "target: production⏎⇥first␣\n" in shown
    assert "echo a⟨U+202E⟩ b\n" in shown
    assert "because⟨U+200B⟩" in shown
    assert 'target="production⏎⇥first␣"' in alice.cli("automations", "show", asked["id"])
    alice.cli("automations", "cancel", asked["id"])


def test_a_document_is_shown_with_signs_on_a_terminal_and_as_it_is_anywhere_else(alice: User) -> None:
    assert alice.cli("templates", "show", "careful", "--source") == TEMPLATE
    _, on_a_terminal = at_a_terminal(alice, "templates", "show", "careful", "--source", answers=[])
    assert "# ⟨U+200B⟩" in on_a_terminal
    assert "\u200b" not in on_a_terminal


def test_before_somebody_goes_it_says_what_goes_with_them(installation: Installation, alice: User) -> None:
    alice.cli("service-accounts", "create", "deploy", "--role", "operator", "--owner", "bob@example.com")
    asked = alice.json("run", "careful")

    refused = alice.attempt("users", "delete", "bob@example.com")
    assert refused.returncode == 5
    assert "deploy@acme.service" in refused.stderr
    assert "these approvals can then be given by too few: careful" in refused.stderr
    assert "--new-owner" in refused.stderr
    handed = alice.attempt("users", "delete", "bob@example.com", "--new-owner", alice.email)
    assert handed.returncode == 5, "the approval still waits for him alone"
    code, said = at_a_terminal(
        alice, "users", "delete", "bob@example.com", answers=[("Remove them all the same?", "n")]
    )
    assert code != 0, said
    assert alice.json("users", "show", "bob@example.com")["email"] == "bob@example.com"

    alice.cli("users", "delete", "bob@example.com", "--new-owner", alice.email, "--yes")

    assert alice.json("users", "show", "deploy@acme.service")["owner"] == alice.email
    alice.cli("automations", "cancel", asked["id"])
