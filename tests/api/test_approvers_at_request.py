"""Who may decide is who could when it was asked, in the order of the record."""

from __future__ import annotations

from datetime import timedelta

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.approval_calls import approve, ask, policy
from tests.api.running_server import PASSWORD, ApiServer, Client


@pytest.fixture
def asked(api_server: ApiServer, alice: Client) -> str:
    """Something that Olga has asked for; the server's clock is set back by a day after that."""
    assert alice.post("/api/v1/groups", {"name": "sre"}).status == 201
    rules = ["allow view approvals", "allow view templates"]
    assert alice.post("/api/v1/roles", {"name": "silent", "rules": rules}).status == 201
    policy(
        alice,
        "{roles: [operator, silent], groups: [sre], users: [rita@example.com, alice@example.com]}",
    )
    approval_id = ask(api_server.person("acme", "olga", BuiltInRole.OPERATOR))
    api_server.clock.shift -= timedelta(days=1)
    return approval_id


def test_who_joins_a_group_later_does_not_decide(
    api_server: ApiServer, alice: Client, asked: str
) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    assert alice.call("PUT", "/api/v1/groups/sre/members/bob@example.com").status == 200
    assert approve(bob, asked).status == 403


def test_who_gets_the_role_later_does_not_decide(
    api_server: ApiServer, alice: Client, asked: str
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    assert alice.patch("/api/v1/users/bob@example.com", {"role": "operator"}).status == 200
    assert approve(api_server.session("bob@example.com"), asked).status == 403


def test_nor_does_who_could_decide_before_and_gets_the_named_role_later(
    api_server: ApiServer, alice: Client
) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    assert (
        alice.patch("/api/v1/users/bob@example.com", {"rules": ["allow execute approvals"]}).status
        == 200
    )
    policy(alice, "{roles: [operator]}")
    olga, _ = (api_server.person("acme", name, BuiltInRole.OPERATOR) for name in ("olga", "otto"))
    asked = ask(olga)
    assert alice.patch("/api/v1/users/bob@example.com", {"role": "operator"}).status == 200
    assert approve(bob, asked).status == 403
    assert approve(bob, ask(olga)).status == 200, "what is asked from then on"


def test_who_comes_with_the_role_later_does_not_decide(
    api_server: ApiServer, alice: Client, asked: str
) -> None:
    new = {"email": "new@example.com", "role": "operator", "password": PASSWORD}
    assert alice.post("/api/v1/users", new).status == 201
    assert approve(api_server.session("new@example.com"), asked).status == 403


@pytest.mark.parametrize("how", ["role", "group", "person"])
def test_who_may_decide_only_by_a_rule_made_later_does_not(
    api_server: ApiServer, alice: Client, asked: str, how: str
) -> None:
    if how == "role":
        person = api_server.person("acme", "sam", "silent")
        change = alice.patch(
            "/api/v1/roles/silent", {"rules": ["allow view approvals", "allow execute approvals"]}
        )
    elif how == "group":
        person = api_server.person("acme", "rita", BuiltInRole.REPORTER)
        change = alice.patch("/api/v1/groups/sre", {"rules": ["allow execute approvals"]})
        assert alice.call("PUT", "/api/v1/groups/sre/members/rita@example.com").status == 200
    else:
        person = api_server.person("acme", "rita", BuiltInRole.REPORTER)
        change = alice.patch(
            "/api/v1/users/rita@example.com", {"rules": ["allow execute approvals"]}
        )
    assert change.status == 200, change.content
    assert "approvals.decide" in person.get("/api/v1/whoami").json["permissions"]
    assert approve(person, asked).status == 403


def test_who_was_all_that_before_still_decides(
    api_server: ApiServer, alice: Client, asked: str
) -> None:
    """Changes that take nothing away and give nothing new leave everything as it was."""
    assert alice.patch("/api/v1/roles/operator", {"rules": ["allow view audit"]}).status == 200
    assert alice.patch("/api/v1/users/alice@example.com", {"name": "Alice"}).status == 200
    assert approve(alice, asked).status == 200
