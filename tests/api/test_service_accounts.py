"""Service accounts, and API tokens that may less than whoever made them."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.authenticator_app import enrol
from tests.api.running_server import PASSWORD, ApiServer, Client
from tests.api.test_policies import policy
from tests.api.test_templates import source

ACCOUNTS, BOT = "/api/v1/service-accounts", "deploy-bot@acme.service"


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    client = api_server.session("alice@example.com")
    for name in ("restart-web", "dump-db"):
        client.post("/api/v1/templates", {"source": source(name)})
    return client


@pytest.fixture
def olga(api_server: ApiServer) -> Client:
    return api_server.person("acme", "olga", BuiltInRole.OPERATOR)


def token(api_server: ApiServer, maker: Client, **more: object) -> Client:
    answer = maker.post("/api/v1/tokens", {"name": "ci", **more})
    assert answer.status == 201, answer.content
    return api_server.client(answer.json["token"])


def bot(api_server: ApiServer, owner: Client, role: str = "operator", **more: object) -> Client:
    """Return a program with a token of a new service account of the owner's."""
    made = owner.post(ACCOUNTS, {"name": "deploy-bot", "role": role})
    assert (made.status, made.json["email"]) == (201, BOT), made.content
    return token(api_server, owner, account=BOT, **more)


def run(client: Client, template: str = "restart-web") -> int:
    return client.post("/api/v1/automations", {"template": template}).status


# Scopes


def test_a_token_may_what_its_scopes_say_and_no_more(
    api_server: ApiServer, alice: Client, olga: Client
) -> None:
    robot = token(api_server, olga, scopes=["execute templates/restart-web", "view automations"])

    assert (run(robot), run(robot, "dump-db")) == (201, 404)
    assert robot.get("/api/v1/automations").status == 200
    assert robot.get("/api/v1/whoami").json["permissions"] == [
        "account.view",
        "automations.view",
        "automations.create",
    ]

    for path in (
        "/api/v1/workers",
        "/api/v1/users",
        "/api/v1/tokens",
        "/api/v1/sessions",
        "/api/v1/secrets",
    ):
        assert robot.get(path).status == 403, path

    assert olga.get("/api/v1/tokens").json["items"][0]["scopes"] == [
        "execute templates/restart-web",
        "view automations",
    ]


def test_scopes_never_add_to_what_the_holder_may(api_server: ApiServer, alice: Client) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    robot = token(api_server, bob, scopes=["manage users", "manage secrets", "execute templates"])
    assert robot.get("/api/v1/users").status == 200
    assert (
        robot.post(
            "/api/v1/users", {"email": "x@example.com", "password": PASSWORD, "role": "member"}
        ).status
        == 403
    )
    assert robot.get("/api/v1/secrets").status == 403
    assert run(robot) == 201
    alice.patch("/api/v1/users/bob@example.com", {"role": "reporter"})
    assert run(robot) == 403, "what its holder has lost is lost to the token too"


def test_an_admins_token_with_scopes_is_no_admin(api_server: ApiServer, alice: Client) -> None:
    robot = token(api_server, alice, scopes=["manage users", "manage roles"])
    body = {"email": "x@example.com", "password": PASSWORD, "role": "admin"}
    assert robot.post("/api/v1/users", body).status == 403
    assert robot.patch("/api/v1/users/alice@example.com", {"name": "x"}).status == 403
    assert robot.post("/api/v1/roles", {"name": "x", "rules": ["allow view audit"]}).status == 403


@pytest.mark.parametrize("scopes", [[], ["fly templates"], ["view secrets/x"]])
def test_scopes_that_are_none_are_refused(olga: Client, scopes: list[str]) -> None:
    refusal = olga.post("/api/v1/tokens", {"name": "ci", "scopes": scopes})
    assert (refusal.status, refusal.code) == (400, "invalid_input")


# Service accounts


def test_a_service_account_has_tokens_and_its_owners_name(
    api_server: ApiServer, alice: Client, olga: Client
) -> None:
    robot = bot(api_server, olga)
    me = robot.get("/api/v1/whoami").json
    assert (me["user"]["email"], me["role"]) == (BOT, "operator")
    assert run(robot) == 201
    shown = alice.get(f"/api/v1/users/{BOT}").json
    assert shown["owner"] == "olga@example.com"
    assert [account["email"] for account in olga.get(ACCOUNTS).json["items"]] == [BOT]
    assert olga.get(f"/api/v1/tokens?account={BOT}").json["items"][0]["last_used_at"]


def test_its_owner_withdraws_and_cancels_what_it_asked_for(
    api_server: ApiServer, alice: Client, olga: Client
) -> None:
    alice.post("/api/v1/policies", {"source": policy(more="required: 1")})
    alice.post(
        "/api/v1/templates", {"source": source(more="  approvalPolicy: {policyRef: production}")}
    )
    robot = bot(api_server, olga, role="member")
    colleague = api_server.person("acme", "colleague", BuiltInRole.MEMBER)
    alice.patch(
        "/api/v1/users/olga@example.com", {"role": "member", "manager": "alice@example.com"}
    )

    asked = robot.post("/api/v1/automations", {"template": "restart-web"}).json
    path = f"/api/v1/approvals/{asked['approval_id']}"
    assert colleague.post(f"{path}/withdraw").status == 403
    assert (colleague.get(path).json["may_withdraw"], olga.get(path).json["may_withdraw"]) == (
        False,
        True,
    )
    withdrawn = olga.post(f"{path}/withdraw").json
    assert (withdrawn["state"], withdrawn["may_withdraw"]) == ("withdrawn", False)
    assert withdrawn["explanation"] == "withdrawn by olga@example.com, who answers for who asked"

    again = robot.post("/api/v1/automations", {"template": "restart-web"}).json["id"]
    assert colleague.post(f"/api/v1/automations/{again}/cancel").status == 403
    assert olga.post(f"/api/v1/automations/{again}/cancel").json["state"] == "cancelled"


def test_it_may_what_both_its_role_and_its_owner_allow(
    api_server: ApiServer, alice: Client, olga: Client
) -> None:
    robot = bot(api_server, olga, role="member")
    assert robot.post("/api/v1/workers/tokens", {}).status == 403
    alice.patch(f"/api/v1/users/{BOT}", {"role": "operator"})
    assert robot.post("/api/v1/workers/tokens", {}).status == 201
    alice.patch("/api/v1/users/olga@example.com", {"role": "reporter"})
    assert robot.post("/api/v1/workers/tokens", {}).status == 403
    assert run(robot) == 403
    answer = alice.get(f"/api/v1/can?user={BOT}&action=manage&resource=workers").json
    assert answer["is_allowed"] is False


def test_it_falls_and_rises_with_its_owner(
    api_server: ApiServer, alice: Client, olga: Client
) -> None:
    robot = bot(api_server, olga)
    alice.patch("/api/v1/users/olga@example.com", {"is_disabled": True})
    assert robot.get("/api/v1/whoami").status == 401
    alice.patch("/api/v1/users/olga@example.com", {"is_disabled": False})
    assert robot.get("/api/v1/whoami").status == 200
    refused = alice.delete("/api/v1/users/olga@example.com")
    assert (refused.status, refused.code) == (409, "leaves_behind")
    assert BOT in refused.json["detail"]
    assert robot.get("/api/v1/whoami").status == 200
    assert alice.delete("/api/v1/users/olga@example.com?confirmed=true").status == 204
    assert robot.get("/api/v1/whoami").status == 401
    assert alice.get(f"/api/v1/users/{BOT}").status == 404


def test_it_goes_on_under_a_new_owner_with_what_that_one_allows(
    api_server: ApiServer, alice: Client, olga: Client
) -> None:
    robot = bot(api_server, olga)
    api_server.person("acme", "rita", BuiltInRole.REPORTER)
    assert run(robot) == 201
    for nobody in ("gina@example.com", BOT, "olga@example.com", ""):
        gone = alice.delete(f"/api/v1/users/olga@example.com?new_owner={nobody}")
        assert gone.status in (400, 409), nobody

    assert alice.delete("/api/v1/users/olga@example.com?new_owner=rita@example.com").status == 204

    assert robot.get("/api/v1/whoami").status == 200
    assert alice.get(f"/api/v1/users/{BOT}").json["owner"] == "rita@example.com"
    assert run(robot) == 403, "it may no more than its owner"
    (entry,) = alice.get("/api/v1/audit?verb=hand_over").json["items"]
    assert entry["data"] == {
        "email": BOT,
        "owner": "rita@example.com",
        "before": "olga@example.com",
    }


def test_the_name_of_a_deleted_one_is_free_again_and_inherits_nothing(
    api_server: ApiServer, alice: Client, olga: Client
) -> None:
    old = bot(api_server, olga)
    assert run(old) == 201
    assert olga.delete(f"{ACCOUNTS}/{BOT}").status == 204
    new = bot(api_server, olga, role="member")
    assert old.get("/api/v1/whoami").status == 401
    (ran,) = olga.get("/api/v1/automations").json["items"]
    assert ran["requester"]["id"] != olga.get(f"/api/v1/users/{BOT}").json["id"]
    assert ran["requester"]["email"] == BOT, "as it was called then"
    assert new.get("/api/v1/tokens").json["items"] != []
    assert olga.post(ACCOUNTS, {"name": "deploy-bot"}).status == 409, "while there is one"


def test_it_can_be_disabled_by_itself(api_server: ApiServer, alice: Client, olga: Client) -> None:
    robot = bot(api_server, olga)
    alice.patch(f"/api/v1/users/{BOT}", {"is_disabled": True})
    assert robot.get("/api/v1/whoami").status == 401
    assert olga.get("/api/v1/whoami").status == 200


def test_it_has_no_password_and_gets_none(
    api_server: ApiServer, alice: Client, olga: Client
) -> None:
    bot(api_server, olga)
    for password in ("-", PASSWORD):
        login = api_server.client().post("/api/v1/login", {"email": BOT, "password": password})
        assert login.status == 401
    assert alice.patch(f"/api/v1/users/{BOT}", {"password": "quite another one"}).status == 409
    assert alice.post(f"/api/v1/users/{BOT}/reset").status == 409


def test_it_is_never_an_admin(api_server: ApiServer, alice: Client) -> None:
    assert alice.post(ACCOUNTS, {"name": "root", "role": "admin"}).status == 400
    bot(api_server, alice)
    assert alice.patch(f"/api/v1/users/{BOT}", {"role": "admin"}).status == 400


def test_others_decide_nothing_about_it(api_server: ApiServer, alice: Client, olga: Client) -> None:
    robot = bot(api_server, olga)
    bob, mia = (
        api_server.person("acme", "bob", BuiltInRole.MEMBER),
        api_server.person("acme", "mia", BuiltInRole.MANAGER),
    )
    token_id = olga.get(f"/api/v1/tokens?account={BOT}").json["items"][0]["id"]
    for person in (bob, mia):  # mia manages people, but this account may more than she
        assert person.post("/api/v1/tokens", {"name": "x", "account": BOT}).status == 403
        assert person.get(f"/api/v1/tokens?account={BOT}").status == 403
        assert person.delete(f"/api/v1/tokens/{token_id}").status == 404
        assert person.delete(f"{ACCOUNTS}/{BOT}").status == 403
        assert person.post(ACCOUNTS, {"name": "x", "owner": "olga@example.com"}).status == 403
    assert robot.get("/api/v1/whoami").status == 200
    assert alice.delete(f"/api/v1/tokens/{token_id}").status == 204
    assert robot.get("/api/v1/whoami").status == 401
    assert olga.delete(f"{ACCOUNTS}/{BOT}").status == 204


def test_an_admin_makes_one_for_somebody_else(
    api_server: ApiServer, alice: Client, olga: Client
) -> None:
    made = alice.post(ACCOUNTS, {"name": "x", "role": "operator", "owner": "olga@example.com"})
    assert (made.status, made.json["owner"]) == (201, "olga@example.com")
    assert alice.post(ACCOUNTS, {"name": "y", "owner": "gina@example.com"}).status == 400
    assert alice.post(ACCOUNTS, {"name": "y", "owner": "x@acme.service"}).status == 400


def test_a_person_is_no_service_account(alice: Client, olga: Client) -> None:
    assert alice.delete(f"{ACCOUNTS}/olga@example.com").status == 404
    assert alice.post("/api/v1/tokens", {"name": "x", "account": "olga@example.com"}).status == 404


def test_a_token_makes_neither_accounts_nor_tokens(api_server: ApiServer, olga: Client) -> None:
    robot = bot(api_server, olga)
    for maker in (robot, token(api_server, olga)):
        assert maker.post(ACCOUNTS, {"name": "x"}).status == 403
        assert maker.post("/api/v1/tokens", {"name": "x", "account": BOT}).status == 403


def test_it_is_no_way_around_its_owners_authenticator_app(
    api_server: ApiServer, alice: Client
) -> None:
    """A program cannot show a code, and Alice would have to."""
    robot = bot(api_server, alice, role="manager")
    enrol(api_server, alice)
    body = {"email": "x@example.com", "password": PASSWORD, "role": "member"}
    refusal = robot.post("/api/v1/users", body)
    assert (refusal.status, refusal.code) == (403, "step_up_required")
