"""Groups: who belongs to them since when, and what they let people do."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.store import groups
from tests.api.running_server import ApiServer, Client

ONCALL, BOB = "/api/v1/groups/oncall", "/api/v1/groups/oncall/members/bob@example.com"


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    client = api_server.session("alice@example.com")
    assert (
        client.post("/api/v1/groups", {"name": "oncall", "rules": ["allow view audit"]}).status
        == 201
    )
    return client


@pytest.fixture
def bob(api_server: ApiServer) -> Client:
    return api_server.person("acme", "bob", BuiltInRole.MEMBER)


def members(api_server: ApiServer) -> list[str]:
    org_id = api_server.actor("alice@example.com").org_id
    return [
        row.email for row in api_server.state.read(lambda db: groups.members(db, org_id, "oncall"))
    ]


def test_a_groups_rules_are_its_members_from_the_next_request_on(
    alice: Client, bob: Client
) -> None:
    assert bob.get("/api/v1/audit").status == 403
    assert alice.call("PUT", BOB).status == 200
    assert bob.get("/api/v1/audit").status == 200
    answer = alice.get("/api/v1/can?user=bob@example.com&action=view&resource=audit").json
    assert (answer["rule"], answer["source"]) == ("allow view audit", "group oncall")
    assert alice.delete(BOB).status == 200
    assert bob.get("/api/v1/audit").status == 403


def test_a_groups_denial_binds_its_members(alice: Client, bob: Client) -> None:
    alice.call("PUT", BOB)
    assert alice.patch(ONCALL, {"rules": ["deny view workers"]}).status == 200
    assert bob.get("/api/v1/workers").status == 403
    assert alice.delete(ONCALL).status == 204
    assert bob.get("/api/v1/workers").status == 200
    assert alice.get(ONCALL).status == 404


def test_when_somebody_joined_is_known(api_server: ApiServer, alice: Client, bob: Client) -> None:
    alice.call("PUT", BOB)
    joined = alice.get(ONCALL).json["members"][0]["joined_at"]
    api_server.clock.advance(seconds=5)
    assert alice.call("PUT", BOB).json["members"][0]["joined_at"] == joined, (
        "joining again is no later joining"
    )
    alice.delete(BOB)
    assert alice.call("PUT", BOB).json["members"][0]["joined_at"] > joined, (
        "who comes back has joined anew"
    )


def test_who_is_disabled_or_gone_is_in_no_group(
    api_server: ApiServer, alice: Client, bob: Client
) -> None:
    alice.call("PUT", BOB)
    alice.patch("/api/v1/users/bob@example.com", {"is_disabled": True})
    assert members(api_server) == []
    alice.patch("/api/v1/users/bob@example.com", {"is_disabled": False})
    assert members(api_server) == ["bob@example.com"]
    assert alice.delete("/api/v1/users/bob@example.com").status == 204
    assert alice.get(ONCALL).json["members"] == []


def test_only_people_of_the_org_join(api_server: ApiServer, alice: Client) -> None:
    foreign = alice.call("PUT", f"{ONCALL}/members/gina@example.com")
    missing = alice.call("PUT", f"{ONCALL}/members/absent@example.com")
    assert foreign.status == missing.status == 404
    assert foreign.content.replace(b"gina", b"absent") == missing.content


def test_a_group_is_no_way_to_rights_that_one_does_not_have(
    api_server: ApiServer, alice: Client, bob: Client
) -> None:
    rules = ["allow manage groups", "allow view groups"]
    assert alice.patch("/api/v1/roles/approver", {"rules": rules}).status == 200
    rob = api_server.person("acme", "rob", BuiltInRole.APPROVER)
    assert rob.call("PUT", f"{ONCALL}/members/rob@example.com").status == 403
    assert (
        rob.post("/api/v1/groups", {"name": "mine", "rules": ["allow view secrets"]}).status == 403
    )
    assert rob.patch(ONCALL, {"rules": ["allow view audit", "allow view secrets"]}).status == 403
    assert rob.post("/api/v1/groups", {"name": "mine", "rules": ["allow view users"]}).status == 201
    assert rob.call("PUT", "/api/v1/groups/mine/members/bob@example.com").status == 200
    assert rob.call("PUT", "/api/v1/groups/mine/members/alice@example.com").status == 403


def test_leaving_a_group_lifts_no_denial_of_what_the_remover_may_not_do(
    api_server: ApiServer, alice: Client
) -> None:
    alice.patch("/api/v1/roles/approver", {"rules": ["allow manage groups"]})
    alice.patch(ONCALL, {"rules": ["deny view audit"]})
    rob = api_server.person("acme", "rob", BuiltInRole.APPROVER)
    alice.call("PUT", f"{ONCALL}/members/rob@example.com")
    assert rob.delete(f"{ONCALL}/members/rob@example.com").status == 403
    assert rob.delete(ONCALL).status == 403
    assert rob.patch(ONCALL, {"rules": []}).status == 403


def test_joining_and_leaving_stand_in_the_record_once(alice: Client, bob: Client) -> None:
    for method in ("PUT", "PUT", "DELETE", "DELETE"):
        assert alice.call(method, BOB).status == 200
    entries = [
        entry
        for entry in alice.get("/api/v1/audit").json["items"]
        if entry["resource"] == "groups/oncall"
    ]
    assert [entry["verb"] for entry in entries] == ["remove_member", "add_member", "create"]
    assert entries[0]["data"]["email"] == "bob@example.com"


@pytest.mark.parametrize(
    ("body", "status"), [({"name": "oncall"}, 409), ({"name": "On Call"}, 400)]
)
def test_a_name_that_cannot_be_is_refused(alice: Client, body: dict[str, str], status: int) -> None:
    assert alice.post("/api/v1/groups", body).status == status
