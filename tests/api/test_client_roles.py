"""`opsicle roles` and `opsicle can` against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.product import Installation, User


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    with Installation(tmp_path_factory.mktemp("roles")) as installation:
        yield installation.admin


def test_a_role_is_made_given_asked_about_and_removed(alice: User, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("correct horse battery staple")
    made = alice.json("roles", "create", "dba", "--allow", "view users", "--deny", "view audit")
    assert made["rules"] == ["allow view users", "deny view audit"]
    alice.json(
        "users",
        "create",
        "--email",
        "bob@example.com",
        "--role",
        "dba",
        "--password-file",
        str(password),
    )

    yes = alice.attempt("can", "bob@example.com", "view", "users", "--why")
    assert yes.returncode == 0
    assert "allow view users, of the role dba" in yes.stdout
    no = alice.attempt("-o", "json", "can", "bob@example.com", "view", "audit")
    assert no.returncode == 3
    assert json.loads(no.stdout)["rule"] == "deny view audit"

    assert alice.attempt("roles", "delete", "dba").returncode == 5
    assert alice.json(
        "users", "update", "bob@example.com", "--role", "member", "--allow", "view audit"
    )["rules"]
    assert alice.json("users", "update", "bob@example.com", "--allow", "")["rules"] == []
    alice.json("roles", "delete", "dba")
    assert "dba" not in [role["name"] for role in alice.json("roles", "list")]


def test_a_rule_that_is_none_is_wrong_usage(alice: User) -> None:
    refusal = alice.attempt("roles", "create", "x", "--allow", "fly templates")
    assert refusal.returncode == 2
    assert "there is no action" in refusal.stderr
    assert alice.attempt("roles", "update", "member").returncode == 2


def test_a_group_is_made_joined_shown_and_removed(alice: User) -> None:
    made = alice.json(
        "groups", "create", "oncall", "--allow", "view audit", "--description", "who is on call"
    )
    assert (made["rules"], made["members"]) == (["allow view audit"], [])
    added = alice.json("groups", "add", "oncall", alice.email)
    assert [member["email"] for member in added["members"]] == [alice.email]
    assert "joined_at" in alice.json("groups", "show", "oncall")["members"][0]
    assert alice.json("groups", "update", "oncall", "--allow", "")["rules"] == []
    assert alice.json("groups", "remove", "oncall", alice.email)["members"] == []
    alice.json("groups", "delete", "oncall")
    assert alice.json("groups", "list") == []


def test_a_service_account_and_its_token_are_made_and_ended(alice: User) -> None:
    made = alice.json("service-accounts", "create", "deploy-bot", "--role", "operator")
    assert (made["email"], made["owner"]) == ("deploy-bot@acme.service", alice.email)
    scope = ("--scope", "execute templates", "--scope", "view automations")
    token = alice.json("tokens", "create", "--name", "ci", "--account", made["email"], *scope)
    assert token["details"]["scopes"] == ["execute templates", "view automations"]
    listed = alice.json("tokens", "list", "--account", made["email"])
    assert [one["id"] for one in listed] == [token["details"]["id"]]
    alice.json("tokens", "delete", token["details"]["id"])
    assert alice.json("tokens", "list", "--account", made["email"]) == []
    alice.json("service-accounts", "delete", made["email"])
    assert alice.json("service-accounts", "list") == []
