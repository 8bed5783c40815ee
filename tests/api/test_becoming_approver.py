"""Nobody becomes an approver by a right that is not about policies."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.approval_calls import policy
from tests.api.running_server import PASSWORD, ApiServer, Client

ACCOUNTS = "/api/v1/service-accounts"


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
