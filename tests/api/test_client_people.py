"""What the command line shows of what people wrote, and what it says before somebody goes."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opsicle.security import totp
from tests.api.terminal import at_a_terminal
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

IN_CONTAINERS = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: boxed}
spec:
  approvalPolicy: {policyRef: p}
  template:
    volumeMounts: [{host: /srv/reports, container: /reports}]
    phases:
      - {name: look, image: alpine, commands: [ls]}
      - name: fetch
        image: debian
        network: true
        pull: never
        user: "1000"
        readOnly: true
        limits: {memoryMiB: 64}
        commands: [ls]
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("people")) as installation:
        folder = tmp_path_factory.mktemp("documents")
        installation.person("bob@example.com", "operator")
        documents = (("policies", POLICY), ("templates", TEMPLATE), ("templates", IN_CONTAINERS))
        for noun, source in documents:
            path = folder / f"{noun}.yaml"
            path.write_text(source)
            installation.admin.cli(noun, "push", str(path))
        yield installation


@pytest.fixture
def alice(installation: Installation) -> User:
    return installation.admin


def test_an_approval_shows_line_breaks_tabs_and_what_nobody_sees(
    alice: User, tmp_path: Path
) -> None:
    values = tmp_path / "values.yaml"
    values.write_text('target: "production\\n\\tfirst "\n')
    asked = alice.json("run", "careful", "--var-file", str(values), "--reason", "because\u200b")

    shown = alice.cli("approvals", "show", asked["approval_id"])

    assert "target: production⏎⇥first␣\n" in shown
    assert "echo a⟨U+202E⟩ b\n" in shown
    assert "because⟨U+200B⟩" in shown
    assert 'target="production⏎⇥first␣"' in alice.cli("automations", "show", asked["id"])
    alice.cli("automations", "cancel", asked["id"])


def test_an_approval_shows_what_may_run_again_and_what_starts_afterwards(
    alice: User, tmp_path: Path
) -> None:
    template = tmp_path / "leading.yaml"
    template.write_text(
        TEMPLATE.replace("careful", "leading").replace(
            "\nspec:\n",
            "\nspec:\n"
            "  onWorkerLost: requeue\n"
            "  timeout: 77\n"
            "  onSuccess: [{template: boxed}]\n"
            "  onFailure: [{template: careful, values: {target: staging}}]\n",
        )
    )
    alice.cli("templates", "push", str(template))

    asked = alice.json("run", "leading", "--var", "target=production")
    shown = alice.cli("approvals", "show", asked["approval_id"])

    kept = alice.cli("templates", "show", "leading")
    assert "starts boxed" in kept
    assert "starts careful" in kept
    assert "77 s" in kept
    assert "if its worker is lost, all of it runs again\n" in shown
    assert "on success starts boxed\n" in shown
    assert "on failure starts careful\n" in shown
    alice.cli("automations", "cancel", asked["id"])


def test_an_approval_shows_what_its_containers_see_and_may(alice: User) -> None:
    asked = alice.json("run", "boxed")

    shown = alice.cli("approvals", "show", asked["approval_id"])
    told = alice.json("approvals", "show", asked["approval_id"])

    assert "look (in alpine; no network; for at most 1 min)" in shown
    assert (
        "fetch (in debian; with a network; pull never; user 1000; read-only root; "
        "at most 64 MiB of memory; for at most 1 min)" in shown
    )
    assert "containers see /srv/reports of the worker as /reports" in shown
    assert told["volume_mounts"] == [{"host": "/srv/reports", "container": "/reports"}]
    alice.cli("automations", "cancel", asked["id"])


def test_a_document_is_shown_with_signs_on_a_terminal_and_as_it_is_anywhere_else(
    alice: User,
) -> None:
    assert alice.cli("templates", "show", "careful", "--source") == TEMPLATE
    _, on_a_terminal = at_a_terminal(alice, "templates", "show", "careful", "--source", answers=[])
    assert "# ⟨U+200B⟩" in on_a_terminal
    assert "\u200b" not in on_a_terminal


def test_who_must_agree_is_said_before_something_runs_and_nothing_is_run(alice: User) -> None:
    before = alice.json("automations", "list")

    tried = alice.cli("run", "careful", "--dry-run")
    simulated = alice.cli("policies", "simulate", "careful", "--requester", "bob@example.com")
    refused = alice.attempt("run", "careful", "--dry-run", "--var", "goal=x")

    assert "1 of bob@example.com must agree" in tried
    assert "nobody may agree yet" in simulated, "he cannot agree to what he asks for himself"
    assert refused.returncode == 2
    assert "values.goal" in refused.stderr
    assert alice.json("automations", "list") == before


def test_before_somebody_goes_it_says_what_goes_with_them(
    installation: Installation, alice: User
) -> None:
    alice.cli(
        "service-accounts", "create", "deploy", "--role", "operator", "--owner", "bob@example.com"
    )
    asked = alice.json("run", "careful")

    refused = alice.attempt("users", "delete", "bob@example.com")
    assert refused.returncode == 5
    assert "deploy@acme.service" in refused.stderr
    assert "these approvals can then be given by too few: careful" in refused.stderr
    assert "--new-owner" in refused.stderr
    handed = alice.attempt("users", "delete", "bob@example.com", "--new-owner", alice.email)
    assert handed.returncode == 5, "the approval still waits for him alone"
    code, said = at_a_terminal(
        alice, "users", "delete", "bob@example.com", answers=[("Remove all the same?", "n")]
    )
    assert code != 0, said
    assert alice.json("users", "show", "bob@example.com")["email"] == "bob@example.com"

    alice.cli("users", "delete", "bob@example.com", "--new-owner", alice.email, "--yes")

    assert alice.json("users", "show", "deploy@acme.service")["owner"] == alice.email
    alice.cli("automations", "cancel", asked["id"])


# A way in for a sole admin who has lost everything


def test_a_sole_admin_without_app_and_codes_gets_in_again_on_the_servers_machine(
    tmp_path: Path,
) -> None:
    with Installation(tmp_path / "site") as installation:
        alice, server = installation.admin, installation.server
        secret = alice.json("totp", "enrol")["secret"]
        alice.json(
            "totp",
            "confirm",
            "--totp",
            totp.code(base64.b32decode(secret), totp.step_of(datetime.now(UTC))),
        )
        data, new = ["--data-dir", str(server.folder / "data")], tmp_path / "password"
        new.write_text("another correct horse battery\n")
        recover = ["recover", *data, "--email", alice.email]

        running = alice.attempt(*recover)
        assert running.returncode == 5, running.stderr
        server.process.stop()
        assert alice.attempt("recover", *data, "--email", "nobody@example.com").returncode == 4
        assert alice.attempt(*recover, "--password-file", "/dev/null").returncode == 2
        done = alice.json(*recover, "--password-file", str(new))
        assert done == {
            "email": alice.email,
            "orgs": ["acme"],
            "had_app": True,
            "has_new_password": True,
        }

        server.start()
        assert alice.attempt("whoami").returncode == 3, "their sessions have ended"
        ca = server.facts["ca_fingerprint"]
        login = ["login", "--server", server.url, "--email", alice.email, "--ca-fingerprint", ca]
        assert alice.attempt(*login, "--password-file", str(new)).returncode == 0
        (entry,) = alice.json("audit", "list", "--verb", "recover")
        assert (entry["actor_kind"], entry["actor_name"]) == ("system", "recover")
        assert entry["data"]["by"]
        assert alice.attempt("audit", "verify").returncode == 0
