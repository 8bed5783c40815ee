"""Approvals through the API and the command line's client.

Roles, codes, the inbox, and what a reader is told.
"""

from __future__ import annotations

from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.authenticator_app import App, enrol
from tests.api.running_server import ApiServer, Client
from tests.api.test_policies import policy
from tests.api.test_templates import source


@pytest.fixture
def bob(api_server: ApiServer, alice: Client) -> Client:
    """Return the manager of Mia, who asks."""
    bob = api_server.person("acme", "bob", BuiltInRole.MANAGER)
    api_server.person("acme", "mia", BuiltInRole.MEMBER)
    assert (
        alice.patch("/api/v1/users/mia@example.com", {"manager": "bob@example.com"}).status == 200
    )
    return bob


@pytest.fixture
def mia(api_server: ApiServer, bob: Client) -> Client:
    return api_server.session("mia@example.com")


def ask(alice: Client, mia: Client, more: str = "required: 1") -> Any:
    alice.post("/api/v1/policies", {"source": policy(more=more)})
    alice.post(
        "/api/v1/templates", {"source": source(more="  approvalPolicy: {policyRef: production}")}
    )
    answer = mia.post("/api/v1/automations", {"template": "restart-web", "reason": "it hangs"})
    assert answer.status == 201, answer.content
    return answer.json


def path(asked: Any, verb: str = "") -> str:
    return f"/api/v1/approvals/{asked['approval_id']}" + (f"/{verb}" if verb else "")


def test_the_manager_finds_it_in_the_inbox_and_agrees(
    alice: Client, bob: Client, mia: Client
) -> None:
    asked = ask(alice, mia)
    assert (asked["state"], asked["waiting_reason"]) == (
        "awaiting_approval",
        "it waits for approval: boss: 1 of bob@example.com",
    )

    [row] = bob.get("/api/v1/approvals").json["items"]
    assert (row["id"], row["reason"], row["may_decide"]) == (asked["approval_id"], "it hangs", True)
    assert mia.get("/api/v1/approvals").json["items"] == []
    assert len(mia.get("/api/v1/approvals?whose=asked").json["items"]) == 1
    assert len(alice.get("/api/v1/approvals?whose=all&state=pending").json["items"]) == 1

    shown = bob.post(path(asked, "approve"), {"reason": "go"}).json
    assert (shown["state"], shown["gates"][0]["decisions"][0]["reason"]) == ("approved", "go")
    assert mia.get(f"/api/v1/automations/{asked['id']}").json["state"] == "queued"
    assert alice.get("/api/v1/approvals?whose=all&state=pending").json["items"] == []

    entry = next(
        entry for entry in alice.get("/api/v1/audit").json["items"] if entry["verb"] == "approve"
    )
    assert (entry["actor_name"], entry["resource"]) == (
        "bob@example.com",
        f"approvals/{asked['approval_id']}",
    )
    assert entry["data"]["manifest_digest"] == shown["manifest_digest"]


@pytest.mark.parametrize("role", list(BuiltInRole))
def test_no_role_by_itself_lets_anybody_decide(
    api_server: ApiServer, alice: Client, mia: Client, role: BuiltInRole
) -> None:
    asked = ask(alice, mia)
    person = api_server.person("acme", "someone", role)
    assert person.get(path(asked)).json["may_decide"] is False
    for verb in ("approve", "reject", "withdraw"):
        assert person.post(path(asked, verb), {}).status == 403
    assert person.get(path(asked)).json["state"] == "pending"


def test_another_orgs_approval_looks_absent(
    api_server: ApiServer, alice: Client, mia: Client
) -> None:
    asked = ask(alice, mia)
    gina = api_server.session("gina@example.com")
    absent = {"approval_id": "0" * 26}
    for verb in ("", "approve", "reject", "withdraw"):
        method = "POST" if verb else "GET"
        foreign, missing = (
            gina.call(method, path(one, verb), {} if verb else None) for one in (asked, absent)
        )
        assert foreign.status == missing.status == 404
        assert foreign.content.replace(asked["approval_id"].encode(), b"0" * 26) == missing.content
    assert gina.get("/api/v1/approvals?whose=all").json["items"] == []


def test_the_lists_refuse_what_they_do_not_know(alice: Client) -> None:
    for query in ("whose=mine", "state=open", "state=approved", "whose=all&state=x"):
        assert alice.get(f"/api/v1/approvals?{query}").status == 400


def with_code(api_server: ApiServer, alice: Client, bob: Client, mia: Client) -> tuple[Any, App]:
    return ask(alice, mia, more="requireMfa: true"), enrol(api_server, bob)


def test_a_code_is_asked_for_even_right_after_another_proof(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client
) -> None:
    asked, app = with_code(api_server, alice, bob, mia)
    assert bob.get(path(asked)).json["needs_totp"] is True
    without = bob.post(path(asked, "approve"), {})
    assert (without.status, without.json["errors"][0]["path"]) == (400, "totp")
    used = bob.post(path(asked, "approve"), {"totp": app.code()})
    assert (used.status, used.json["errors"][0]["path"]) == (400, "totp")
    api_server.clock.advance(seconds=30)
    shown = bob.post(path(asked, "approve"), {"totp": app.code()}).json
    assert (shown["state"], shown["gates"][0]["decisions"][0]["with_mfa"]) == ("approved", True)


def test_a_code_works_for_one_decision(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client
) -> None:
    first, app = with_code(api_server, alice, bob, mia)
    second = mia.post("/api/v1/automations", {"template": "restart-web"}).json
    api_server.clock.advance(seconds=30)
    assert bob.post(path(first, "approve"), {"totp": app.code()}).status == 200
    assert bob.post(path(second, "approve"), {"totp": app.code()}).status == 400
    assert mia.get(path(second)).json["state"] == "pending"


def test_a_refused_decision_does_not_use_up_the_code(
    api_server: ApiServer, alice: Client, bob: Client, mia: Client
) -> None:
    asked = ask(alice, mia, more="requireMfa: true\n      requireReason: true")
    app = enrol(api_server, bob)
    api_server.clock.advance(seconds=30)
    for _ in range(12):  # more often than wrong codes are looked at: this one is right
        assert (
            bob.post(path(asked, "approve"), {"totp": app.code()}).json["errors"][0]["path"]
            == "reason"
        )
    assert bob.post(path(asked, "approve"), {"totp": app.code(), "reason": "go"}).status == 200
    assert alice.get("/api/v1/audit?verb=refuse_totp").json["items"] == []


def test_without_an_app_one_is_told_how_to_enrol(alice: Client, bob: Client, mia: Client) -> None:
    asked = ask(alice, mia, more="requireMfa: true")
    for body in ({}, {"totp": "123456"}):
        answer = bob.post(path(asked, "approve"), body)
        assert answer.status == 409
        assert "opsicle totp enrol" in answer.json["hint"]
    assert mia.get(path(asked)).json["state"] == "pending"


def test_who_asked_withdraws_and_the_automation_is_cancelled(
    alice: Client, bob: Client, mia: Client
) -> None:
    asked = ask(alice, mia)
    assert bob.post(path(asked, "withdraw")).status == 403
    assert mia.post(path(asked, "withdraw")).json["state"] == "withdrawn"
    assert mia.get(f"/api/v1/automations/{asked['id']}").json["state"] == "cancelled"
    assert bob.post(path(asked, "approve"), {}).status == 409


def test_a_gate_that_nobody_can_pass_is_named_when_it_is_triggered(
    api_server: ApiServer, alice: Client, mia: Client
) -> None:
    ask(alice, mia)
    answer = alice.post("/api/v1/automations", {"template": "restart-web"})
    assert (answer.status, answer.code) == (409, "conflict")
    assert "gate boss: it asks the requester's manager, and none is set" in answer.json["detail"]


def test_the_same_request_sent_again_asks_once(alice: Client, bob: Client, mia: Client) -> None:
    ask(alice, mia)
    body = {"template": "restart-web"}
    first, again = (
        mia.call("POST", "/api/v1/automations", body, **{"Idempotency-Key": "k"}).json
        for _ in range(2)
    )
    assert first["approval_id"] == again["approval_id"]
    assert len(bob.get("/api/v1/approvals").json["items"]) == 2


def test_a_rerun_asks_anew(alice: Client, bob: Client, mia: Client) -> None:
    asked = ask(alice, mia)
    bob.post(path(asked, "approve"), {})
    again = mia.post(f"/api/v1/automations/{asked['id']}/rerun").json
    assert (again["state"], again["approval_id"] != asked["approval_id"]) == (
        "awaiting_approval",
        True,
    )


def test_the_run_form_can_say_beforehand_who_will_be_asked(
    alice: Client, bob: Client, mia: Client
) -> None:
    ask(alice, mia)
    need = mia.get("/api/v1/templates/restart-web/approval").json
    assert (need["is_needed"], need["policy"], need["problem"]) == (True, "production", "")
    assert [person["email"] for person in need["gates"][0]["people"]] == ["bob@example.com"]
    assert (
        "none is set"
        in alice.get("/api/v1/templates/restart-web/approval?version=1").json["problem"]
    )
    alice.delete("/api/v1/policies/production")
    assert (
        "needs the policy production"
        in mia.get("/api/v1/templates/restart-web/approval").json["problem"]
    )
    alice.post("/api/v1/templates", {"source": source("free")})
    assert mia.get("/api/v1/templates/free/approval").json["is_needed"] is False


LOSSES = {
    "disabled": ("PATCH", "/api/v1/users/bob@example.com", {"is_disabled": True}),
    "made a reporter": ("PATCH", "/api/v1/users/bob@example.com", {"role": "reporter"}),
    "kept from it by a rule": (
        "PATCH",
        "/api/v1/users/bob@example.com",
        {"rules": ["deny execute approvals"]},
    ),
    "the manager no more": ("PATCH", "/api/v1/users/mia@example.com", {"manager": None}),
}


@pytest.mark.parametrize(("method", "target", "body"), LOSSES.values(), ids=LOSSES)
def test_whoever_takes_the_last_approver_away_hears_of_what_waits(
    alice: Client, bob: Client, mia: Client, method: str, target: str, body: Any
) -> None:
    ask(alice, mia)
    assert alice.patch("/api/v1/users/mia@example.com", {"name": "Mia"}).json["leaves_stuck"] == []
    assert alice.call(method, target, body).json["leaves_stuck"] == ["restart-web"]


def test_whoever_changes_a_role_so_that_nobody_may_decide_hears_of_what_waits(
    alice: Client, bob: Client, mia: Client
) -> None:
    ask(alice, mia)
    role = bob.get("/api/v1/whoami").json["role"]
    harmless = {"rules": ["deny view workers"]}
    assert alice.patch(f"/api/v1/roles/{role}", harmless).json["leaves_stuck"] == []

    left = alice.patch(f"/api/v1/roles/{role}", {"rules": ["deny execute approvals"]})

    assert left.json["leaves_stuck"] == ["restart-web"]


@pytest.fixture
def waiting_for_sre(alice: Client, bob: Client, mia: Client) -> None:
    """Something waits for a group in which Bob is the only one."""
    alice.post("/api/v1/groups", {"name": "sre"})
    alice.call("PUT", "/api/v1/groups/sre/members/bob@example.com")
    gate = "{name: g, approvers: {groups: [sre]}}"
    alice.post(
        "/api/v1/templates",
        {"source": source(more=f"  approvalPolicy: {{spec: {{gates: [{gate}]}}}}")},
    )
    assert (
        mia.post("/api/v1/automations", {"template": "restart-web"}).json["state"]
        == "awaiting_approval"
    )


@pytest.mark.usefixtures("waiting_for_sre")
def test_whoever_changes_a_group_s_rules_hears_of_what_waits(alice: Client) -> None:
    assert alice.patch("/api/v1/groups/sre", {"description": "x"}).json["leaves_stuck"] == []
    left = alice.patch("/api/v1/groups/sre", {"rules": ["deny execute approvals"]})
    assert left.json["leaves_stuck"] == ["restart-web"]


@pytest.mark.usefixtures("waiting_for_sre")
def test_a_group_for_which_something_waits_is_removed_only_if_that_is_meant(alice: Client) -> None:
    refused = alice.call("DELETE", "/api/v1/groups/sre")
    assert (refused.status, refused.code) == (409, "leaves_behind")
    assert "these approvals can then be given by too few: restart-web" in refused.json["detail"]
    assert [member["email"] for member in alice.get("/api/v1/groups/sre").json["members"]] == [
        "bob@example.com"
    ]

    assert alice.call("DELETE", "/api/v1/groups/sre?confirmed=true").status == 204
    assert alice.get("/api/v1/groups/sre").status == 404


@pytest.mark.parametrize("value", ["yes", "True", "2", "true%20"])
def test_a_parameter_that_is_neither_true_nor_false_is_refused(alice: Client, value: str) -> None:
    for path in ("/api/v1/workers?all", "/api/v1/users/mia@example.com?confirmed"):
        refused = alice.call("GET" if "workers" in path else "DELETE", f"{path}={value}")
        assert (refused.status, refused.code) == (400, "invalid_input")
        assert "must be true or false" in refused.json["detail"]


@pytest.mark.parametrize("value", ["true", "false", "1", "0", ""])
def test_a_parameter_that_is_true_or_false_is_taken(alice: Client, value: str) -> None:
    assert alice.get(f"/api/v1/workers?all={value}").status == 200


@pytest.mark.usefixtures("waiting_for_sre")
def test_whoever_takes_the_last_approver_out_of_a_group_hears_of_what_waits(alice: Client) -> None:
    left = alice.call("DELETE", "/api/v1/groups/sre/members/bob@example.com")
    assert left.json["leaves_stuck"] == ["restart-web"]
