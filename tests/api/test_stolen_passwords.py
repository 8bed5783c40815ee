"""What the security model says of a stolen password, session or token, and of an admin's."""

from __future__ import annotations

from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.authenticator_app import enrol
from tests.api.running_server import PASSWORD, ApiServer, Client
from tests.api.test_approvals import ask, path
from tests.api.test_policies import policy

CODE = "requireMfa: true"
STALE = 6 * 60
"""Seconds after which a code that was shown is fresh no longer."""


@pytest.fixture
def bob(api_server: ApiServer, alice: Client) -> Client:
    """Return the manager of Mia, who asks."""
    bob = api_server.person("acme", "bob", BuiltInRole.MANAGER)
    api_server.person("acme", "mia", BuiltInRole.MEMBER)
    alice.patch("/api/v1/users/mia@example.com", {"manager": "bob@example.com"})
    return bob


@pytest.fixture
def mia(api_server: ApiServer, bob: Client) -> Client:
    return api_server.session("mia@example.com")


def log_in(api_server: ApiServer, email: str) -> Any:
    return api_server.client().post("/api/v1/login", {"email": email, "password": PASSWORD})


def state(mia: Client, asked: Any) -> str:
    return str(mia.get(path(asked)).json["state"])


def test_without_an_app_a_password_is_everything_and_the_record_has_each_step(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client
) -> None:
    asked = ask(alice, mia, more=CODE)
    thief = api_server.session("bob@example.com")
    app = enrol(api_server, thief)
    api_server.clock.advance(seconds=30)
    assert thief.post(path(asked, "approve"), {"totp": app.code()}).status == 200
    verbs = [
        entry["verb"]
        for entry in alice.get("/api/v1/audit").json["items"]
        if entry["actor_name"][:3] == "bob"
    ]
    assert verbs[:2] == ["approve", "enrol_totp"]


def test_with_an_app_a_password_opens_nothing(api_server: ApiServer, alice: Client) -> None:
    assert log_in(api_server, "alice@example.com").status == 200
    enrol(api_server, alice)
    refused = log_in(api_server, "alice@example.com")
    assert (refused.status, refused.code) == (401, "totp_required")


def test_an_open_session_decides_nothing_that_asks_for_a_code(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client
) -> None:
    asked = ask(alice, mia, more=CODE)
    enrol(api_server, bob)
    api_server.clock.advance(seconds=STALE)
    assert bob.post(path(asked, "approve"), {}).status == 400
    assert state(mia, asked) == "pending"


def test_an_open_session_of_an_admin_changes_nothing_that_matters(
    api_server: ApiServer, alice: Client
) -> None:
    enrol(api_server, alice)
    api_server.clock.advance(seconds=STALE)
    new = {"email": "eve@example.com", "role": "admin", "password": PASSWORD}
    for where, body in {
        "users": new,
        "policies": {"source": policy()},
        "secrets": {"name": "a-secret", "value": "hunter2-hunter2"},
        "tokens": {"name": "t"},
        "channels": {
            "name": "c",
            "config": {"kind": "webhook", "url": "https://example.com"},
            "credential": "k" * 16,
        },
    }.items():
        answer = alice.post(f"/api/v1/{where}", body)
        assert (answer.status, answer.code) == (403, "step_up_required"), (where, answer.content)


def test_a_token_decides_only_where_no_code_is_asked_for(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client
) -> None:
    made = bob.post("/api/v1/tokens", {"name": "t"}).json
    token = Client(bob.application, {"Authorization": f"Bearer {made['token']}"})
    looking = bob.post(
        "/api/v1/tokens", {"name": "l", "scopes": ["view approvals", "view templates"]}
    ).json
    reader = Client(bob.application, {"Authorization": f"Bearer {looking['token']}"})
    enrol(api_server, bob)
    with_code = ask(alice, mia, more=CODE)
    assert token.post(path(with_code, "approve"), {}).status == 400
    without = ask(alice, mia, more="required: 1")
    assert reader.get(path(without)).status == 200
    assert reader.post(path(without, "approve"), {}).status == 403
    assert token.post(path(without, "approve"), {}).json["state"] == "approved"


def test_an_admin_can_become_somebody_of_their_org_and_the_record_says_so(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client
) -> None:
    enrol(api_server, bob)
    assert alice.delete("/api/v1/users/bob@example.com/totp").status in {200, 204}
    link = alice.post("/api/v1/users/bob@example.com/reset").json["url"]
    body = {"token": link.partition("#token=")[2], "password": PASSWORD}
    assert api_server.client().post("/api/v1/password/reset", body).status in {200, 204}
    assert log_in(api_server, "bob@example.com").status == 200
    verbs = {entry["verb"] for entry in alice.get("/api/v1/audit").json["items"]}
    assert {"reset_totp", "make_reset_link"} <= verbs
