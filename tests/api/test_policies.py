"""Approval policies as versioned resources of an org."""

from __future__ import annotations

from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.authenticator_app import enrol
from tests.api.running_server import ApiServer, Client

SEED = "SPKYRLYDMW46GOQKSQRGKWRYMQI6IA4O"


def policy(name: str = "production", more: str = "required: 1") -> str:
    return (
        f"apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {{name: {name}}}\n"
        f"spec:\n  gates:\n    - name: boss\n      approvers: {{manager: true}}\n      {more}\n"
    )


def push(client: Client, source: str) -> Any:
    return client.post("/api/v1/policies", {"source": source})


def test_every_push_that_says_something_new_makes_a_version(alice: Client) -> None:
    assert (push(alice, policy()).status, push(alice, "# a comment\n" + policy()).status) == (
        201,
        200,
    )

    second = push(alice, policy(more="required: 2")).json
    assert (second["version"], second["is_new"], second["warnings"]) == (2, True, [])

    shown = alice.get("/api/v1/policies/production").json
    assert (shown["version"], shown["gates"][0]["required"], shown["order"]) == (2, 2, "sequential")
    assert alice.get("/api/v1/policies/production/versions/1").json["source"] == policy()
    assert [
        row["version"] for row in alice.get("/api/v1/policies/production/versions").json["items"]
    ] == [2, 1]
    assert [row["gate_names"] for row in alice.get("/api/v1/policies").json["items"]] == [["boss"]]

    pushes = [
        entry
        for entry in alice.get("/api/v1/audit").json["items"]
        if entry["resource"] == "policies/production"
    ]
    assert [entry["data"]["version"] for entry in pushes] == [2, 1]


def test_a_version_never_changes(api_server: ApiServer, alice: Client) -> None:
    push(alice, policy())
    with pytest.raises(Exception, match="never changes"):
        api_server.state.write(
            lambda db: db.execute("UPDATE policy_versions SET document = '{}'").fetchall()
        )


def test_a_deleted_policy_frees_its_name(alice: Client) -> None:
    push(alice, policy())
    assert alice.delete("/api/v1/policies/production").status == 204
    for path in ("", "/versions", "/versions/1"):
        assert alice.get(f"/api/v1/policies/production{path}").status == 404
    assert alice.delete("/api/v1/policies/production").status == 404
    assert push(alice, policy()).json["version"] == 1


def test_a_document_with_mistakes_is_refused_with_all_of_them(alice: Client) -> None:
    answer = push(alice, policy(more="requierd: 1\n      required: 0"))
    assert (answer.status, [error["line"] for error in answer.json["errors"]]) == (400, [8, 9])
    template = "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: a}\nspec: {}\n"
    assert "wanted here: `ApprovalPolicy`" in push(alice, template).json["errors"][0]["message"]


@pytest.mark.parametrize("role", list(BuiltInRole))
def test_everybody_reads_policies_and_admins_change_them(
    api_server: ApiServer, alice: Client, role: BuiltInRole
) -> None:
    push(alice, policy())
    person = api_server.person("acme", "someone", role)
    assert person.get("/api/v1/policies/production").status == 200
    assert (push(person, policy("other")).status == 201) == (role is BuiltInRole.ADMIN)
    assert (person.delete("/api/v1/policies/production").status == 204) == (
        role is BuiltInRole.ADMIN
    )


def test_another_orgs_policy_looks_absent(api_server: ApiServer, alice: Client) -> None:
    push(alice, policy())
    gina = api_server.session("gina@example.com")
    for path in ("production", "production/versions", "production/versions/1", "absent"):
        assert gina.get(f"/api/v1/policies/{path}").status == 404
    assert gina.delete("/api/v1/policies/production").status == 404
    assert gina.get("/api/v1/policies").json["items"] == []


def test_a_change_asks_for_a_fresh_code(api_server: ApiServer, alice: Client) -> None:
    push(alice, policy())
    app = enrol(api_server, alice)
    api_server.clock.advance(minutes=6)
    assert push(alice, policy(more="required: 2")).code == "step_up_required"
    assert alice.delete("/api/v1/policies/production").code == "step_up_required"
    assert alice.post("/api/v1/step-up", {"totp": app.code()}).status == 200
    assert push(alice, policy(more="required: 2")).status == 201


@pytest.mark.parametrize("kind", ["policies", "templates"])
def test_the_seed_of_an_older_document_is_kept_nowhere(
    api_server: ApiServer, alice: Client, kind: str
) -> None:
    responder = f"{{userId: 267230627, mfaSeed: {SEED}}}"
    spec = f"{{telegram: {{authorizedResponders: [{responder}], chatIds: [5]}}}}"
    source = f"apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {{name: tg-one}}\nspec: {spec}\n"
    if kind == "templates":
        source = (
            "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: tg-one}\nspec:\n"
            f"  approvalPolicy: {{spec: {spec}}}\n"
            "  template: {phases: [{name: a, commands: [b]}]}\n"
        )

    answer = alice.post(f"/api/v1/{kind}", {"source": source})
    assert answer.status == 201
    assert "authenticator app" in answer.json["warnings"][0]["message"]

    shown = alice.get(f"/api/v1/{kind}/tg-one")
    assert b"mfaSeed: removed" in shown.content
    assert SEED.encode() not in shown.content + answer.content + alice.get("/api/v1/audit").content
    for path in api_server.folder.path.iterdir():
        assert not path.is_file() or SEED.encode() not in path.read_bytes(), path


ORG_RULES = """apiVersion: v1
type: ApprovalPolicy
metadata: {name: house-rules}
spec:
  appliesTo: [{requesters: {roles: [member], groups: [interns]}}]
  gates: [{name: boss, approvers: {users: [alice@example.com]}}]
"""


def test_who_manages_people_takes_nobody_out_of_what_a_policy_applies_to(
    api_server: ApiServer, alice: Client
) -> None:
    maria = api_server.person("acme", "maria", BuiltInRole.MANAGER)
    for name in ("mia", "ian"):
        api_server.person("acme", name, BuiltInRole.MEMBER)
    alice.post("/api/v1/groups", {"name": "interns"})
    alice.call("PUT", "/api/v1/groups/interns/members/ian@example.com")
    alice.patch("/api/v1/users/maria@example.com", {"rules": ["allow manage groups"]})
    assert push(alice, ORG_RULES).status == 201

    moved = maria.patch("/api/v1/users/mia@example.com", {"role": "approver"})
    left = maria.delete("/api/v1/groups/interns/members/ian@example.com")
    removed = maria.delete("/api/v1/groups/interns")

    for refused in (moved, left, removed):
        assert (
            refused.status,
            "house-rules is asked of whom you would take out" in refused.json["detail"],
        ) == (
            403,
            True,
        ), refused.content
    assert alice.patch("/api/v1/users/mia@example.com", {"role": "approver"}).status == 200
    assert alice.delete("/api/v1/groups/interns/members/ian@example.com").status in (200, 204)
