"""A program that rotates one credential.

A token that may give one secret its next value, and nothing else.
"""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.authenticator_app import enrol
from tests.api.running_server import ApiServer, Client

SECRET, OTHER = "/api/v1/secrets/db-password", "/api/v1/secrets/api-key"
NEXT = {"value": "the next value of it"}
BOT = "rotator@acme.service"


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    client = api_server.session("alice@example.com")
    for name in ("db-password", "api-key"):
        assert (
            client.post("/api/v1/secrets", {"name": name, "value": "the first value of it"}).status
            == 201
        )
    return client


def token(api_server: ApiServer, maker: Client, *scopes: str, **more: str) -> Client:
    made = maker.post("/api/v1/tokens", {"name": "rotate", "scopes": list(scopes), **more})
    assert made.status == 201, made.content
    return api_server.client(made.json["token"])


def test_it_needs_no_code_if_whoever_made_it_showed_one(
    api_server: ApiServer, alice: Client
) -> None:
    app = enrol(api_server, alice)
    alice.post("/api/v1/step-up", {"totp": app.code()})
    program = token(api_server, alice, "update secrets/db-password")
    api_server.clock.advance(days=20)

    assert program.call("PUT", SECRET, NEXT).status == 200
    assert program.call("PUT", OTHER, NEXT).status == 403
    for refused in (
        program.delete(SECRET),
        program.get(SECRET),
        program.post("/api/v1/secrets", {"name": "x", **NEXT}),
    ):
        assert refused.status == 403
    (entry,) = (
        api_server.session("alice@example.com").get("/api/v1/audit?verb=update").json["items"]
    )
    assert (entry["channel"], entry["resource"]) == ("token", "secrets/db-password")


@pytest.mark.parametrize("scope", ["update secrets", "manage secrets"])
def test_only_a_scope_for_one_secret_stands_in_for_a_code(
    api_server: ApiServer, alice: Client, scope: str
) -> None:
    app = enrol(api_server, alice)
    alice.post("/api/v1/step-up", {"totp": app.code()})
    assert token(api_server, alice, scope).call("PUT", SECRET, NEXT).code == "step_up_required"


def test_it_stands_in_for_a_code_with_that_secret_only(
    api_server: ApiServer, alice: Client
) -> None:
    app = enrol(api_server, alice)
    alice.post("/api/v1/step-up", {"totp": app.code()})
    program = token(api_server, alice, "update secrets/db-password", "update secrets")
    assert program.call("PUT", SECRET, NEXT).status == 200
    assert program.call("PUT", OTHER, NEXT).code == "step_up_required"


def test_one_that_was_made_without_a_code_needs_one_from_when_its_owner_has_an_app(
    api_server: ApiServer, alice: Client
) -> None:
    program = token(api_server, alice, "update secrets/db-password")
    assert program.call("PUT", SECRET, NEXT).status == 200
    enrol(api_server, alice)
    assert program.call("PUT", SECRET, NEXT).code == "step_up_required"


def test_a_service_account_rotates_what_a_rule_lets_it(
    api_server: ApiServer, alice: Client
) -> None:
    app = enrol(api_server, alice)
    alice.post("/api/v1/step-up", {"totp": app.code()})
    assert (
        alice.post("/api/v1/service-accounts", {"name": "rotator", "role": "reporter"}).status
        == 201
    )
    program = token(api_server, alice, "update secrets/db-password", account=BOT)
    assert program.call("PUT", SECRET, NEXT).status == 403
    assert (
        alice.patch(f"/api/v1/users/{BOT}", {"rules": ["allow update secrets/db-password"]}).status
        == 200
    )
    assert program.call("PUT", SECRET, NEXT).status == 200
    assert program.call("PUT", OTHER, NEXT).status == 403


def test_a_person_can_be_let_change_one_secret(api_server: ApiServer, alice: Client) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    assert (
        alice.patch(
            "/api/v1/users/bob@example.com", {"rules": ["allow update secrets/db-password"]}
        ).status
        == 200
    )
    assert (bob.call("PUT", SECRET, NEXT).status, bob.call("PUT", OTHER, NEXT).status) == (200, 403)
    asked = "/api/v1/can?user=bob@example.com&action=update&resource=secrets/db-password"
    assert alice.get(asked).json["rule"] == "allow update secrets/db-password"


@pytest.mark.parametrize(
    "rule", ["manage secrets/db-password", "update secrets/env=prod", "update secrets/UPPER"]
)
def test_a_rule_about_one_secret_is_about_updating_it(alice: Client, rule: str) -> None:
    refused = alice.post("/api/v1/tokens", {"name": "x", "scopes": [rule]})
    assert (refused.status, refused.code) == (400, "invalid_input")
