"""Oneself is a person, not an account: nobody decides through a service account of their own."""

from __future__ import annotations

from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.approval_calls import approve, ask, policy, state
from tests.api.running_server import PASSWORD, ApiServer, Client

ACCOUNTS, BOT = "/api/v1/service-accounts", "deploy-bot@acme.service"


@pytest.fixture
def mia(api_server: ApiServer) -> Client:
    """She manages people."""
    return api_server.person("acme", "mia", BuiltInRole.MANAGER)


def robot(api_server: ApiServer, owner: Client, role: str, name: str = "deploy-bot") -> Client:
    assert owner.post(ACCOUNTS, {"name": name, "role": role}).status == 201
    made = owner.post("/api/v1/tokens", {"name": "ci", "account": f"{name}@acme.service"})
    return api_server.client(made.json["token"])


# Managing people, through a service account of one's own


@pytest.mark.parametrize(
    "change",
    [
        {"manager": "bob@example.com"},
        {"password": "quite another one"},
        {"name": "M"},
        {"is_disabled": True},
    ],
)
def test_a_service_account_changes_nothing_of_who_answers_for_it(
    api_server: ApiServer, alice: Client, mia: Client, change: dict[str, Any]
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    program = robot(api_server, mia, "manager")
    assert program.patch("/api/v1/users/bob@example.com", {"name": "B"}).status == 200, (
        "it does manage people"
    )

    answer = program.patch("/api/v1/users/mia@example.com", change)

    assert answer.status == 403
    assert (
        "what you are yourself through a service account"
        in answer.json["title"] + answer.json["detail"]
    )


def test_nor_makes_it_a_way_into_the_account_or_removes_it(
    api_server: ApiServer, mia: Client
) -> None:
    program = robot(api_server, mia, "manager")
    assert program.post("/api/v1/users/mia@example.com/reset").status == 403
    assert program.delete("/api/v1/users/mia@example.com/sessions").status == 403
    assert program.delete("/api/v1/users/mia@example.com/totp").status == 403
    assert program.delete("/api/v1/users/mia@example.com").status == 403


def test_nor_changes_it_another_account_of_the_same_person(
    api_server: ApiServer, mia: Client
) -> None:
    program = robot(api_server, mia, "manager")
    robot(api_server, mia, "member", "other-bot")
    assert program.patch("/api/v1/users/other-bot@acme.service", {"role": "manager"}).status == 403
    assert program.patch(f"/api/v1/users/{BOT}", {"role": "member"}).status == 403
    assert mia.patch("/api/v1/users/other-bot@acme.service", {"role": "approver"}).status == 200, (
        "its owner does"
    )


def test_nobody_chooses_the_manager_of_their_own_service_account(
    api_server: ApiServer, alice: Client, mia: Client
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    robot(api_server, mia, "manager")
    chosen = {"manager": "bob@example.com"}
    assert mia.patch(f"/api/v1/users/{BOT}", chosen).status == 403
    assert alice.patch(f"/api/v1/users/{BOT}", chosen).status == 200


def test_nobody_makes_themselves_a_way_into_the_account_of_their_manager(
    api_server: ApiServer, alice: Client, mia: Client
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    assert mia.post("/api/v1/users/bob@example.com/reset").status == 200
    alice.patch("/api/v1/users/mia@example.com", {"manager": "bob@example.com"})
    program = robot(api_server, mia, "manager")
    for client in (mia, program):
        assert client.post("/api/v1/users/bob@example.com/reset").status == 403
        assert (
            client.patch("/api/v1/users/bob@example.com", {"password": "quite another one"}).status
            == 403
        )
        assert client.delete("/api/v1/users/bob@example.com/totp").status == 403


# Deciding on what one asked for


def test_nobody_decides_on_what_their_deleted_service_account_asked_for(
    api_server: ApiServer, alice: Client
) -> None:
    policy(alice, "{roles: [operator]}")
    olga, otto = (
        api_server.person("acme", name, BuiltInRole.OPERATOR) for name in ("olga", "otto")
    )
    assert (
        alice.post(
            ACCOUNTS, {"name": "deploy-bot", "role": "operator", "owner": "olga@example.com"}
        ).status
        == 201
    )
    made = alice.post("/api/v1/tokens", {"name": "ci", "account": BOT})
    asked = ask(api_server.client(made.json["token"]))
    assert olga.delete(f"{ACCOUNTS}/{BOT}").status == 204

    answer = approve(olga, asked)

    assert (answer.status, state(alice, asked)) == (403, "pending")
    assert "you asked for this yourself" in answer.json["detail"]
    assert approve(otto, asked).status == 200


def test_what_a_deleted_service_account_asked_for_stays_intact_when_its_name_is_taken_again(
    api_server: ApiServer, alice: Client
) -> None:
    policy(alice, "{roles: [operator]}")
    olga, _ = (api_server.person("acme", name, BuiltInRole.OPERATOR) for name in ("olga", "otto"))
    asked = ask(robot(api_server, olga, "operator"))
    assert olga.delete(f"{ACCOUNTS}/{BOT}").status == 204
    robot(api_server, olga, "operator")

    shown = alice.get(f"/api/v1/approvals/{asked}").json

    assert (shown["is_intact"], shown["requester"]["email"]) == (True, BOT)
    assert approve(olga, asked).status == 403


def test_whoever_answered_for_it_before_does_not_decide_either(
    api_server: ApiServer, alice: Client
) -> None:
    """They may still have its tokens, and so do those who answer for it now."""
    policy(alice, "{roles: [operator]}")
    olga, otto = (
        api_server.person("acme", name, BuiltInRole.OPERATOR) for name in ("olga", "otto")
    )
    api_server.person("acme", "third", BuiltInRole.OPERATOR)
    assert (
        alice.post(
            ACCOUNTS, {"name": "deploy-bot", "role": "operator", "owner": "olga@example.com"}
        ).status
        == 201
    )
    made = alice.post("/api/v1/tokens", {"name": "ci", "account": BOT})
    program = api_server.client(made.json["token"])
    early = ask(program)
    assert alice.delete("/api/v1/users/olga@example.com?new_owner=otto@example.com").status == 204
    assert alice.get(f"/api/v1/users/{BOT}").json["owner"] == "otto@example.com"
    late = ask(program)
    assert (
        alice.post(
            "/api/v1/users", {"email": "olga@example.com", "role": "operator", "password": PASSWORD}
        ).status
        == 201
    )
    olga = api_server.session("olga@example.com")
    latest = ask(program)

    for client, asked in (
        (otto, early),
        (otto, late),
        (olga, late),
        (olga, latest),
        (otto, latest),
    ):
        assert approve(client, asked).status == 403
