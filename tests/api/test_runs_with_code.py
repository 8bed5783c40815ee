"""Templates that ask for a fresh code of whoever runs them."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.security import totp
from opsicle.server.identity.step_up import FRESH_FOR
from tests.api.authenticator_app import App, enrol
from tests.api.running_server import Answer, ApiServer, Client

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: failover}
spec:
  requireMfa: MFA
  variables: [{id: count, type: number}]
  template: {phases: [{name: go, commands: ["true"]}]}
"""


def push(alice: Client, mfa: str = "true") -> None:
    answer = alice.post("/api/v1/templates", {"source": TEMPLATE.replace("MFA", mfa)})
    assert answer.status == 201, answer.content


def run(client: Client, **more: object) -> Answer:
    return client.post("/api/v1/automations", {"template": "failover", **more})


@pytest.fixture
def mia(api_server: ApiServer) -> Client:
    return api_server.person("acme", "mia", BuiltInRole.MEMBER)


@pytest.fixture
def app(api_server: ApiServer, mia: Client) -> App:
    """Mia's app; its code of now is used up, and her session's proof is stale."""
    app = enrol(api_server, mia)
    api_server.clock.advance(seconds=FRESH_FOR.total_seconds() + totp.STEP_SECONDS)
    return app


def test_running_it_and_running_it_again_need_a_code_of_the_last_minutes(
    api_server: ApiServer, alice: Client, mia: Client, app: App
) -> None:
    push(alice)
    refused = run(mia)
    assert (refused.status, refused.code) == (403, "step_up_required")
    assert mia.post("/api/v1/step-up", {"totp": app.code()}).status == 200
    made = run(mia)
    assert made.status == 201
    entry = next(each for each in alice.get("/api/v1/audit").json["items"] if each["verb"] == "run")
    assert entry["data"]["with_mfa"] is True
    again = f"/api/v1/automations/{made.json['id']}/rerun"
    assert mia.post(again).status == 201
    api_server.clock.advance(seconds=FRESH_FOR.total_seconds())
    assert [mia.post(again).code, run(mia).code, run(mia, version=1).code] == [
        "step_up_required"
    ] * 3
    assert len(mia.get("/api/v1/automations").json["items"]) == 2


def test_somebody_without_an_app_is_told_to_enrol_one(
    api_server: ApiServer, alice: Client, mia: Client
) -> None:
    push(alice)
    refused = run(mia)
    assert (refused.status, refused.code) == (409, "conflict")
    assert "you have none" in refused.json["detail"]
    assert "opsicle totp enrol" in refused.json["hint"]
    app = enrol(api_server, mia)
    assert run(mia).status == 201
    api_server.clock.advance(seconds=totp.STEP_SECONDS)
    assert mia.post("/api/v1/totp/disable", {"totp": app.code()}).status == 204
    assert run(mia).code == "conflict"


def test_tokens_and_service_accounts_cannot_show_a_code_and_are_refused(
    api_server: ApiServer, alice: Client, mia: Client, app: App
) -> None:
    push(alice)
    assert mia.post("/api/v1/step-up", {"totp": app.code()}).status == 200
    token = api_server.client(mia.post("/api/v1/tokens", {"name": "mine"}).json["token"])
    account = mia.post("/api/v1/service-accounts", {"name": "robot", "role": "member"}).json[
        "email"
    ]
    robot = api_server.client(
        mia.post("/api/v1/tokens", {"name": "its", "account": account}).json["token"]
    )
    done = run(mia)
    for program in (token, robot):
        refused = run(program)
        assert (refused.status, refused.code) == (403, "not_allowed")
        assert "an API token cannot show" in refused.json["detail"]
        assert program.post(f"/api/v1/automations/{done.json['id']}/rerun").code == "not_allowed"


def test_an_older_version_is_no_way_around_what_the_newest_asks(
    api_server: ApiServer, alice: Client, mia: Client
) -> None:
    push(alice, "false")
    before = run(mia)
    assert before.status == 201
    push(alice)
    assert run(mia, version=1).code == "conflict"
    assert mia.post(f"/api/v1/automations/{before.json['id']}/rerun").code == "conflict"
    push(alice, "no")
    assert [run(mia).status, run(mia, version=2).status] == [201, 409]


def test_what_it_asks_is_said_beforehand(alice: Client) -> None:
    push(alice, "false")
    assert alice.get("/api/v1/templates/failover").json["needs_mfa"] is False
    push(alice)
    assert alice.get("/api/v1/templates/failover").json["needs_mfa"] is True
    assert alice.get("/api/v1/templates/failover/versions/1").json["needs_mfa"] is True


def test_values_that_do_not_fit_are_said_before_a_code_is_asked_for(
    alice: Client, mia: Client, app: App
) -> None:
    push(alice)
    assert run(mia, values={"count": "many"}).code == "invalid_input"
