"""Orgs and invitations on the command line, against a real server."""

from __future__ import annotations

from pathlib import Path

from tests.product import Installation, User
from tests.support import wait_until


def test_an_org_is_founded_entered_and_left_again(installation: Installation) -> None:
    alice = installation.admin
    assert alice.json("orgs", "create", "globex", "--name", "Globex Ltd.")["role"] == "admin"
    assert [org["code"] for org in alice.json("orgs", "list")] == ["acme", "globex"]
    assert alice.json("orgs", "switch", "globex", "--into", "work")["profile"] == "work"
    assert alice.json("orgs", "show")["code"] == "acme"
    assert alice.json("--profile", "work", "orgs", "show")["name"] == "Globex Ltd."
    assert alice.json("--profile", "work", "orgs", "update", "--name", "Globex")["name"] == "Globex"
    assert alice.json("orgs", "switch", "globex")["org"]["code"] == "globex"
    assert alice.json("whoami")["org"]["code"] == "globex"
    assert alice.json("orgs", "switch", "acme")["org"]["code"] == "acme"
    assert alice.attempt("orgs", "switch", "nowhere").returncode == 4


def test_a_login_says_which_org(installation: Installation) -> None:
    alice, url = installation.admin, installation.server.url
    alice.json("orgs", "create", "initech")
    login = ("--profile", "other", "login", "--server", url, "--email", alice.email)
    secrets = (
        "--password-file",
        str(alice.password_file),
        "--ca-fingerprint",
        installation.server.facts["ca_fingerprint"],
    )
    refused = alice.attempt(*login, *secrets)
    assert refused.returncode == 2
    assert "initech" in refused.stderr
    alice.cli(*login, *secrets, "--org", "initech")
    assert alice.json("--profile", "other", "whoami")["org"]["code"] == "initech"


def test_server_operators_are_named_and_dropped(installation: Installation) -> None:
    alice, bob = installation.admin, installation.person("bob@example.com", "member")
    assert bob.attempt("orgs", "list", "--all").returncode == 3
    named = alice.json("orgs", "server-operators", "--add", "bob@example.com")
    assert [admin["email"] for admin in named] == ["alice@example.com", "bob@example.com"]
    assert "acme" in [org["code"] for org in bob.json("orgs", "list", "--all")]
    left = alice.json("orgs", "server-operators", "--remove", "bob@example.com")
    assert [admin["email"] for admin in left] == ["alice@example.com"]


def test_somebody_is_invited_and_accepts_on_the_command_line(
    installation: Installation, tmp_path: Path
) -> None:
    alice, dana = installation.admin, User(tmp_path, "dana@example.com")
    made = alice.json(
        "users", "invite", "--email", dana.email, "--role", "member", "--manager", alice.email
    )
    (listed,) = alice.json("users", "invitations")
    assert listed == made["invitation"]
    trust = ("--ca-fingerprint", installation.server.facts["ca_fingerprint"])
    accept = (
        "accept",
        made["url"],
        "--name",
        "Dana",
        "--password-file",
        str(dana.password_file),
        *trust,
    )
    assert dana.json(*accept)["org"]["code"] == "acme"
    assert dana.json("whoami")["user"]["name"] == "Dana"
    assert dana.attempt(*accept).returncode == 3
    assert alice.json("users", "show", dana.email)["manager"] == alice.email

    other = alice.json(
        "users", "invite", "--email", "eve@example.com", "--role", "member", "--days", "1"
    )
    alice.cli("users", "uninvite", other["invitation"]["id"])
    assert alice.json("users", "invitations") == []
    assert (
        dana.attempt(
            "accept", other["url"], "--password-file", str(dana.password_file), *trust
        ).returncode
        == 3
    )
    assert dana.attempt("accept", "https://nowhere").returncode == 2


def test_an_org_is_founded_for_somebody_without_an_account(
    installation: Installation, tmp_path: Path
) -> None:
    alice, ida = installation.admin, User(tmp_path, "ida@example.com")
    made = alice.json("orgs", "create", "umbrella", "--admin", ida.email)
    assert made["invitation"]["invitation"]["email"] == ida.email
    again = alice.json("orgs", "invite-admin", "umbrella", "--email", ida.email)
    trust = ("--ca-fingerprint", installation.server.facts["ca_fingerprint"])
    shown = ida.json("accept", again["url"], "--password-file", str(ida.password_file), *trust)
    assert (shown["org"]["code"], shown["role"]) == ("umbrella", "admin")


def test_a_shared_worker_runs_what_an_org_that_allows_it_asks_for(
    installation: Installation,
) -> None:
    alice, server = installation.admin, installation.server
    token = alice.json("workers", "token", "--shared")["token"]
    installation.join("pool", token)

    assert [worker["name"] for worker in alice.json("workers", "list", "--shared")] == ["pool"]
    assert "pool" not in [worker["name"] for worker in alice.json("workers", "list")]

    alice.json("orgs", "create", "hooli")
    alice.json("orgs", "switch", "hooli", "--into", "hooli")
    there = ("--profile", "hooli")
    template = server.folder / "hello.yaml"
    template.write_text(
        "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: hello}\nspec:\n"
        '  template: {phases: [{name: p, commands: ["echo hello"]}]}\n'
    )
    alice.cli(*there, "templates", "push", str(template))

    waiting = alice.json(*there, "run", "hello")
    assert waiting["waiting_reason"] == "no worker has enrolled yet"

    shown = alice.json(*there, "orgs", "update", "--allow-shared-workers", "true")
    assert shown["allows_shared_workers"] is True
    wait_until(
        lambda: alice.json(*there, "automations", "show", waiting["id"])["state"] == "succeeded", 60
    )

    assert alice.json("workers", "drain", "pool", "--shared")["state"] == "draining"
    assert alice.json("workers", "revoke", "pool", "--shared")["state"] == "revoked"
