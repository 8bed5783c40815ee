"""Oneself is a person, not an account.

And nobody becomes an approver by a right that is not about policies.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.running_server import PASSWORD, Answer, ApiServer, Client

ACCOUNTS, BOT = "/api/v1/service-accounts", "deploy-bot@acme.service"


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    return api_server.session("alice@example.com")


@pytest.fixture
def mia(api_server: ApiServer) -> Client:
    """She manages people."""
    return api_server.person("acme", "mia", BuiltInRole.MANAGER)


@pytest.fixture
def greta(api_server: ApiServer, alice: Client) -> Client:
    """She manages people and groups, by a rule of her own."""
    client = api_server.person("acme", "greta", BuiltInRole.MANAGER)
    given = alice.patch("/api/v1/users/greta@example.com", {"rules": ["allow manage groups"]})
    assert given.status == 200, given.content
    return client


def policy(alice: Client, approvers: str, name: str = "p") -> None:
    source = f"apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {{name: {name}}}\n"
    source += f"spec: {{gates: [{{name: g, approvers: {approvers}}}]}}\n"
    assert alice.post("/api/v1/policies", {"source": source}).status in (200, 201)
    template = f"""
apiVersion: v1
type: AutomationTemplate
metadata: {{name: careful-{name}}}
spec:
  approvalPolicy: {{policyRef: {name}}}
  template: {{phases: [{{name: act, commands: ["echo hi"]}}]}}
"""
    assert alice.post("/api/v1/templates", {"source": template}).status in (200, 201)


def robot(api_server: ApiServer, owner: Client, role: str, name: str = "deploy-bot") -> Client:
    assert owner.post(ACCOUNTS, {"name": name, "role": role}).status == 201
    made = owner.post("/api/v1/tokens", {"name": "ci", "account": f"{name}@acme.service"})
    return api_server.client(made.json["token"])


def ask(client: Client, name: str = "p") -> str:
    answer = client.post("/api/v1/automations", {"template": f"careful-{name}"})
    assert answer.status == 201, answer.content
    return str(answer.json["approval_id"])


def approve(client: Client, approval_id: str) -> Answer:
    return client.post(f"/api/v1/approvals/{approval_id}/approve", {})


def state(client: Client, approval_id: str) -> str:
    return str(client.get(f"/api/v1/approvals/{approval_id}").json["state"])


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


# Becoming an approver


def test_a_group_that_a_policy_names_is_joined_by_leave_of_those_who_manage_policies(
    api_server: ApiServer, alice: Client, greta: Client
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    for name in ("named", "free"):
        assert greta.post("/api/v1/groups", {"name": name}).status == 201
    policy(alice, "{groups: [named, to-come]}")
    assert greta.call("PUT", "/api/v1/groups/free/members/bob@example.com").status == 200

    for who in ("bob", "greta"):
        answer = greta.call("PUT", f"/api/v1/groups/named/members/{who}@example.com")
        assert answer.status == 403
    assert "the approval policy p names the group named" in answer.json["detail"]
    assert greta.post("/api/v1/groups", {"name": "to-come"}).status == 201, (
        "an empty group lets nobody in"
    )
    assert greta.call("PUT", "/api/v1/groups/to-come/members/greta@example.com").status == 403
    assert alice.call("PUT", "/api/v1/groups/named/members/bob@example.com").status == 200


def test_a_group_whose_people_are_asked_is_neither_left_nor_removed_without_that_right(
    api_server: ApiServer, alice: Client, greta: Client
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    assert greta.post("/api/v1/groups", {"name": "interns"}).status == 201
    assert greta.call("PUT", "/api/v1/groups/interns/members/bob@example.com").status == 200
    gate = "{name: g, approvers: {roles: [admin]}}"
    spec = f"{{appliesTo: [{{requesters: {{groups: [interns]}}}}], gates: [{gate}]}}"
    source = f"apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {{name: d}}\nspec: {spec}\n"
    assert alice.post("/api/v1/policies", {"source": source}).status == 201

    for path in ("/members/bob@example.com", ""):
        answer = greta.delete(f"/api/v1/groups/interns{path}")
        assert (answer.status, "the policy d is asked of" in answer.json["detail"]) == (
            403,
            True,
        ), answer.content

    assert alice.delete("/api/v1/groups/interns").status == 204


def test_so_is_one_that_a_templates_own_policy_or_an_escalation_names(
    api_server: ApiServer, alice: Client, greta: Client
) -> None:
    source = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: own}
spec:
  approvalPolicy:
    spec:
      gates:
        - name: g
          approvers: {users: [alice@example.com]}
          escalate: [{after: 60, to: {groups: [late]}}]
  template: {phases: [{name: act, commands: ["echo hi"]}]}
"""
    assert alice.post("/api/v1/templates", {"source": source}).status == 201
    assert greta.post("/api/v1/groups", {"name": "late"}).status == 201
    assert greta.call("PUT", "/api/v1/groups/late/members/greta@example.com").status == 403


def test_a_role_or_an_address_that_a_policy_names_is_given_by_them_only(
    api_server: ApiServer, alice: Client, mia: Client
) -> None:
    api_server.person("acme", "bob", BuiltInRole.MEMBER)
    invited = mia.post("/api/v1/invitations", {"email": "early@example.com", "role": "approver"})
    assert invited.status == 201, invited.content
    policy(alice, "{roles: [approver], users: [boss@example.com, boss-bot@acme.service]}")

    refused = [
        mia.post(
            "/api/v1/users", {"email": "new@example.com", "role": "approver", "password": PASSWORD}
        ),
        mia.post(
            "/api/v1/users", {"email": "boss@example.com", "role": "member", "password": PASSWORD}
        ),
        mia.post("/api/v1/invitations", {"email": "new@example.com", "role": "approver"}),
        mia.post("/api/v1/invitations", {"email": "boss@example.com", "role": "member"}),
        mia.patch("/api/v1/users/bob@example.com", {"role": "approver"}),
        mia.post(ACCOUNTS, {"name": "boss-bot", "role": "member"}),
        mia.post(ACCOUNTS, {"name": "a-bot", "role": "approver"}),
    ]

    assert [answer.status for answer in refused] == [403] * len(refused)
    token = invited.json["url"].partition("#token=")[2]
    accepted = {"token": token, "password": PASSWORD, "name": "E"}
    assert api_server.client().post("/api/v1/invitations/accept", accepted).status == 401, (
        "a policy has come to name it"
    )
    assert alice.patch("/api/v1/users/bob@example.com", {"role": "approver"}).status == 200


def test_nobody_gets_into_the_account_of_an_approver_by_managing_people(
    api_server: ApiServer, alice: Client, mia: Client
) -> None:
    for name in ("bob", "carol"):
        api_server.person("acme", name, BuiltInRole.MEMBER)
    assert alice.post("/api/v1/groups", {"name": "named"}).status == 201
    assert alice.call("PUT", "/api/v1/groups/named/members/carol@example.com").status == 200
    policy(alice, "{users: [bob@example.com], groups: [named]}")
    for who in ("bob", "carol"):
        path = f"/api/v1/users/{who}@example.com"
        assert mia.post(f"{path}/reset").status == 403
        assert mia.patch(path, {"password": "quite another one"}).status == 403
        assert mia.delete(f"{path}/totp").status == 403
        assert mia.patch(path, {"name": "Somebody"}).status == 200
        assert alice.post(f"{path}/reset").status == 200


# What counts is what was so when it was asked, in the order of the record


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


# Nobody is made who looks like somebody else


@pytest.mark.parametrize(
    "address",
    ["b\u043eb@example.com", "bcc:bob@example.com", "bob@example.com.", "b\u200bob@x.com"],
)
def test_an_address_that_looks_like_another_is_refused_wherever_people_are_made(
    api_server: ApiServer, alice: Client, address: str
) -> None:
    api_server.server_operator("alice@example.com")
    made = [
        alice.post("/api/v1/users", {"email": address, "role": "member", "password": PASSWORD}),
        alice.post("/api/v1/invitations", {"email": address, "role": "member"}),
        alice.post("/api/v1/orgs", {"code": "initech", "admin": address}),
        alice.post(ACCOUNTS, {"name": address}),
    ]
    assert [answer.status for answer in made] == [400] * len(made)
    assert "e-mail address" in made[0].json["detail"]


def test_so_it_is_when_the_server_is_set_up(new_api_server: ApiServer) -> None:
    body = {
        "token": new_api_server.setup_token(),
        "org": "acme",
        "email": "\u0430lice@example.com",
        "password": PASSWORD,
    }
    assert new_api_server.client().post("/api/v1/setup", body).status == 400
