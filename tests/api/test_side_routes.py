"""Ways around an approval, a rule or a proof that lie between two parts of the program.

Each is closed.
"""

from __future__ import annotations

from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.identity.step_up import FRESH_FOR
from opsicle.server.store import chat_links
from opsicle.server.store.chat_links import LinkRow
from tests.api.authenticator_app import enrol
from tests.api.route_walk import MAY, A, call, prepare
from tests.api.running_server import PASSWORD, Answer, ApiServer, Client
from tests.api.test_policies import policy
from tests.api.test_templates import source

ASKS = "  approvalPolicy: {policyRef: production}"
GATE = "{name: g, approvers: {roles: [approver, operator, manager]}}"
OWN = f"  approvalPolicy: {{spec: {{gates: [{GATE}]}}}}"


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    alice = api_server.session("alice@example.com")
    assert alice.post("/api/v1/policies", {"source": policy()}).status == 201
    return alice


@pytest.fixture
def olga(api_server: ApiServer) -> Client:
    """Return an operator."""
    return api_server.person("acme", "olga", BuiltInRole.OPERATOR)


@pytest.fixture
def dave(api_server: ApiServer) -> Client:
    return api_server.person("acme", "dave", BuiltInRole.APPROVER)


def push(client: Client, more: str = "", command: str = "nginx -t") -> Answer:
    return client.post("/api/v1/templates", {"source": source(more=more, command=command)})


def run(client: Client, **more: object) -> Answer:
    return client.post("/api/v1/automations", {"template": "restart-web", **more})


def token_of(api_server: ApiServer, client: Client, *scopes: str) -> Client:
    made = client.post("/api/v1/tokens", {"name": "program", "scopes": list(scopes)})
    assert made.status == 201, made.content
    return api_server.client(made.json["token"])


# A template's approval


def test_an_older_version_is_no_way_around_the_approval_that_the_newest_asks_for(
    api_server: ApiServer, alice: Client, olga: Client, dave: Client
) -> None:
    push(alice)
    before = run(olga).json
    push(alice, OWN)
    for asked in (
        run(olga, version=1),
        olga.post(f"/api/v1/automations/{before['id']}/rerun", {}),
    ):
        assert (asked.status, asked.json["state"]) == (201, "awaiting_approval")
        assert asked.json["version"] == 1
    assert olga.get("/api/v1/templates/restart-web/approval?version=1").json["is_needed"] is True


def test_an_older_version_with_an_approval_of_its_own_asks_for_it_still(
    alice: Client, olga: Client, dave: Client
) -> None:
    push(alice, OWN)
    push(alice)
    assert run(olga).json["state"] == "queued"
    assert run(olga, version=1).json["state"] == "awaiting_approval"


WEAKER = {
    "none": "",
    "one of its own": OWN,
    "another policy": "  approvalPolicy: {policyRef: lax}",
    "a condition": (
        f"  approvalPolicy: {{spec: {{gates: [{GATE[:-1]}, "
        "when: [{variable: service, in: [x]}]}]}}"
    ),
}


@pytest.mark.parametrize("more", WEAKER.values(), ids=WEAKER)
def test_who_pushes_templates_does_not_thereby_change_who_must_approve(
    alice: Client, olga: Client, dave: Client, more: str
) -> None:
    push(alice, ASKS)
    assert push(olga, ASKS, command="echo better").json["version"] == 2
    refused = push(olga, more)
    assert (refused.status, refused.code) == (403, "not_allowed")
    assert "policies.manage" in refused.json["detail"]
    assert olga.delete("/api/v1/templates/restart-web").status == 403
    assert push(alice, more).json["version"] == 3
    [entry] = [
        one
        for one in alice.get("/api/v1/audit?verb=push").json["items"]
        if one["data"].get("version") == 3
    ]
    assert entry["data"]["approval_before"] == "policy production"
    assert entry["data"]["approval"] != "policy production"


def test_whoever_pushes_templates_may_ask_for_approval_where_none_was(
    olga: Client, dave: Client
) -> None:
    push(olga)
    assert push(olga, OWN).json["version"] == 2


def test_taking_an_approval_away_needs_a_fresh_code(api_server: ApiServer, alice: Client) -> None:
    push(alice, ASKS)
    enrol(api_server, alice)
    api_server.clock.advance(seconds=FRESH_FOR.total_seconds() + 1)
    assert push(alice, ASKS, command="echo better").status == 201
    assert push(alice).code == "step_up_required"
    assert alice.delete("/api/v1/templates/restart-web").code == "step_up_required"


# Rules about single templates


@pytest.fixture
def hidden(api_server: ApiServer, alice: Client, olga: Client, dave: Client) -> Any:
    """Return an approval that Dave may decide, were its template not hidden from him."""
    push(alice, OWN)
    asked = run(olga, reason="quietly").json
    rules = ["deny view templates/restart-web"]
    assert alice.patch("/api/v1/users/dave@example.com", {"rules": rules}).status == 200
    return asked


def test_the_approval_of_a_hidden_template_is_as_absent_as_what_never_was(
    dave: Client, hidden: Any
) -> None:
    one, missing = f"/api/v1/approvals/{hidden['approval_id']}", f"/api/v1/approvals/{'0' * 26}"
    for verb in ("", "/approve", "/reject", "/withdraw"):
        method, body = ("POST", {}) if verb else ("GET", None)
        seen, never = dave.call(method, one + verb, body), dave.call(method, missing + verb, body)
        assert seen.status == never.status == 404, (verb, seen.content)
        assert seen.content.replace(hidden["approval_id"].encode(), b"0" * 26) == never.content
    for query in ("", "?whose=all", "?whose=asked"):
        assert dave.get(f"/api/v1/approvals{query}").json["items"] == []
    needed = dave.get("/api/v1/templates/restart-web/approval")
    assert needed.content.replace(b"restart-web", b"absent-webs") == (
        dave.get("/api/v1/templates/absent-webs/approval").content
    )


def test_the_inbox_of_a_token_shows_only_templates_in_its_scope(
    api_server: ApiServer, alice: Client, olga: Client, dave: Client
) -> None:
    push(alice, OWN)
    asked = run(olga).json
    assert [each["id"] for each in dave.get("/api/v1/approvals").json["items"]] == [
        asked["approval_id"]
    ]
    token = token_of(api_server, dave, "view approvals", "view templates/another")
    assert token.get("/api/v1/approvals").json["items"] == []
    assert token.get(f"/api/v1/approvals/{asked['approval_id']}").status == 404


def test_who_may_not_see_the_template_is_not_asked_and_does_not_count(
    alice: Client, olga: Client, hidden: Any
) -> None:
    again = run(olga)
    assert (again.status, again.code) == (409, "conflict"), "nobody else is left who could agree"
    shown = olga.get(f"/api/v1/approvals/{hidden['approval_id']}").json
    assert shown["gates"][0]["waits_for"] == []


def test_who_asked_sees_their_own_all_the_same(alice: Client, olga: Client, hidden: Any) -> None:
    alice.patch("/api/v1/users/olga@example.com", {"rules": ["deny view templates/restart-web"]})
    assert olga.get(f"/api/v1/approvals/{hidden['approval_id']}").status == 200
    assert len(olga.get("/api/v1/approvals?whose=asked").json["items"]) == 1
    assert olga.post(f"/api/v1/approvals/{hidden['approval_id']}/withdraw", {}).status == 200


# API tokens with scopes


def test_a_token_that_may_only_look_changes_nothing(
    api_server: ApiServer, alice: Client, olga: Client, dave: Client
) -> None:
    push(alice, OWN)
    asked = run(olga).json
    program = token_of(api_server, olga, "view automations", "view approvals", "view templates")
    for path in (f"approvals/{asked['approval_id']}/withdraw", f"automations/{asked['id']}/cancel"):
        assert program.post(f"/api/v1/{path}", {}).status == 403, path
    assert olga.get(f"/api/v1/automations/{asked['id']}").json["state"] == "awaiting_approval"
    assert token_of(api_server, olga, "execute templates").get("/api/v1/approvals").status == 403
    assert olga.post(f"/api/v1/approvals/{asked['approval_id']}/withdraw", {}).status == 200


def test_a_token_decides_only_with_a_scope_for_that_and_gives_itself_no_more(
    api_server: ApiServer, alice: Client, olga: Client, dave: Client
) -> None:
    push(alice, OWN)
    asked = run(olga).json
    blind = token_of(api_server, dave, "view approvals")
    assert blind.post(f"/api/v1/approvals/{asked['approval_id']}/approve", {}).status == 403
    program = token_of(api_server, dave, "execute approvals", "view approvals", "manage account")
    for path, body in (
        ("tokens", {"name": "x"}),
        ("service-accounts", {"name": "x"}),
        ("chat-links", {"channel": "x"}),
        ("password", {"current_password": PASSWORD, "password": "correct horse battery"}),
    ):
        assert program.post(f"/api/v1/{path}", body).status == 403, path
    assert program.post(f"/api/v1/approvals/{asked['approval_id']}/approve", {}).status == 200


# Service accounts


def test_a_service_account_cannot_come_back_as_a_person(
    api_server: ApiServer, alice: Client
) -> None:
    """Else its owner could decide on what it has asked for."""
    mia = api_server.person("acme", "mia", BuiltInRole.MANAGER)
    assert mia.post("/api/v1/service-accounts", {"name": "deploy"}).status == 201
    assert mia.delete("/api/v1/service-accounts/deploy@acme.service").status == 204
    person = {"email": "deploy@acme.service", "password": PASSWORD, "role": "member"}
    for client in (mia, alice):
        assert client.post("/api/v1/users", person).code == "invalid_input"
    invited = alice.post("/api/v1/invitations", {"email": "deploy@acme.service", "role": "member"})
    assert invited.code == "invalid_input"


# Step-up

WEIGHTY = {
    A.USERS_MANAGE,
    A.ROLES_MANAGE,
    A.GROUPS_MANAGE,
    A.SECRETS_MANAGE,
    A.SECRETS_UPDATE,
    A.POLICIES_MANAGE,
    A.CHANNELS_MANAGE,
}
WEIGHTY |= {A.ORGS_MANAGE, A.ORGS_CREATE, A.SERVER_MANAGE}
WITHOUT_CODE = {
    "POST /api/v1/channels/<channel>/test",
    "POST /api/v1/deliveries/<delivery_id>/retry",
    "POST /api/v1/server/workers/<worker>/drain",
    "POST /api/v1/server/workers/<worker>/undrain",
    "POST /api/v1/server/workers/<worker>/revoke",
    "DELETE /api/v1/server/join-tokens/<join_token>",
}
"""They hand nobody anything."""


def test_every_change_to_who_may_what_and_to_what_is_secret_needs_a_fresh_code(
    api_server: ApiServer,
) -> None:
    acme = prepare(api_server, "acme", "alice@example.com", "restart-web")
    enrol(api_server, api_server.session("alice@example.com"))
    own = {
        "POST /api/v1/tokens",
        "POST /api/v1/service-accounts",
        "DELETE /api/v1/service-accounts/<user>",
    }
    own |= {"POST /api/v1/chat-links", "PATCH /api/v1/workers/<worker>"}
    for route_key, may in MAY.items():
        if route_key in own or (may in WEIGHTY and not route_key.startswith("GET")):
            answer = call(api_server.session("alice@example.com"), route_key, acme)
            is_asked = answer.code == "step_up_required"
            assert is_asked is (route_key not in WITHOUT_CODE), (route_key, answer.content)


def test_secrets_change_only_with_a_fresh_code(api_server: ApiServer, alice: Client) -> None:
    app = enrol(api_server, alice)
    api_server.clock.advance(seconds=FRESH_FOR.total_seconds() + 1)
    calls = (
        ("POST", "/api/v1/secrets", {"name": "db-password", "value": "hunter2-hunter2"}),
        ("PUT", "/api/v1/secrets/db-password", {"value": "hunter2-hunter3"}),
        ("DELETE", "/api/v1/secrets/db-password", None),
    )
    assert [alice.call(*call).code for call in calls] == ["step_up_required"] * 3
    assert alice.post("/api/v1/step-up", {"totp": app.code()}).status == 200
    assert [alice.call(*call).status for call in calls] == [201, 200, 204]


def test_a_join_token_that_grants_labels_is_made_only_with_a_fresh_code(
    api_server: ApiServer, alice: Client
) -> None:
    app = enrol(api_server, alice)
    api_server.clock.advance(seconds=FRESH_FOR.total_seconds() + 1)
    tokens = "/api/v1/workers/tokens"

    assert alice.post(tokens, {"labels": {"env": "production"}}).code == "step_up_required"
    assert alice.post(tokens, {"labels": {}}).status == 201
    assert alice.post(tokens, {}).status == 201

    assert alice.post("/api/v1/step-up", {"totp": app.code()}).status == 200
    assert alice.post(tokens, {"labels": {"env": "production"}}).status == 201


# Names that change hands


def test_a_rerun_runs_what_ran_before_and_nothing_else_that_has_its_name_since(
    alice: Client, olga: Client
) -> None:
    push(olga)
    before = run(alice).json
    assert olga.delete("/api/v1/templates/restart-web").status == 204
    again = alice.post(f"/api/v1/automations/{before['id']}/rerun", {})
    assert (again.status, again.code) == (404, "not_found")
    push(olga, command="rm -rf /")
    again = alice.post(f"/api/v1/automations/{before['id']}/rerun", {})
    assert (again.status, again.code) == (409, "conflict")
    assert "another template" in again.json["detail"]


# Chats


def test_a_bot_that_is_moved_to_another_server_speaks_for_nobody(
    api_server: ApiServer, alice: Client, dave: Client
) -> None:
    """Whoever runs that server could say that anybody has pressed anything."""
    config = {"kind": "telegram", "base_url": "https://bots.example.com"}
    credential = "12345:ABCdefGHIjklMNOpqrSTUvwxYZ0123456789"
    made = alice.post(
        "/api/v1/channels", {"name": "bot", "config": config, "credential": credential}
    ).json

    who = api_server.actor("dave@example.com")
    link = LinkRow(made["id"], "u1", who.org_id, who.user_id, "u1", api_server.clock.now())
    api_server.state.write(lambda db: chat_links.put(db, link))

    moved = {"config": config | {"base_url": "https://evil.example.com"}, "credential": credential}

    for change, chat_user in (
        ({"is_enabled": False}, "u1"),
        ({"is_enabled": True}, "u1"),
        (moved, None),
    ):
        assert alice.patch("/api/v1/channels/bot", change).status == 200
        shown = dave.get("/api/v1/chat-links").json["items"]
        assert [each["chat_user"] for each in shown] == (
            [chat_user] if change != {"is_enabled": False} else []
        )
