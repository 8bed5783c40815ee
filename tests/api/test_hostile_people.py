"""What is sent to the live views, by a stolen session too, to break them or to see too long."""

from __future__ import annotations

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.wire.user_api import RunRequest
from tests.api.running_server import ApiServer, Client

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: hello}
spec:
  template:
    phases: [{name: greet, commands: ["echo hello"]}]
"""


@pytest.fixture
def alice(api_server: ApiServer) -> Client:
    alice = api_server.session("alice@example.com")
    assert alice.post("/api/v1/templates", {"source": TEMPLATE}).status in (200, 201)
    return alice


def run(api_server: ApiServer) -> str:
    return api_server.services.automations.create(
        api_server.actor("alice@example.com"), RunRequest(template="hello")
    ).id


@pytest.mark.parametrize(
    "sent", ["JOB:²", "JOB:" + "9" * 5000, "JOB:" + "9" * 30, "JOB:-1", ":", "²:²"]
)
def test_a_last_event_id_that_is_none_of_ours_begins_at_the_beginning(
    api_server: ApiServer, alice: Client, sent: str
) -> None:
    answer = alice.call(
        "GET", f"/api/v1/automations/{run(api_server)}/events", **{"Last-Event-ID": sent}
    )
    assert answer.status == 200


@pytest.mark.parametrize("path", ["automations/{id}/events", "events"])
@pytest.mark.parametrize("way_out", ["logout", "disable"])
def test_a_stream_tells_nothing_more_to_somebody_who_was_shut_out(
    api_server: ApiServer, alice: Client, path: str, way_out: str
) -> None:
    automation_id = run(api_server)
    bob = api_server.person("acme", "bob", BuiltInRole.OPERATOR)
    stream = bob.stream(f"/api/v1/{path.format(id=automation_id)}")
    assert next(stream).startswith(b"retry:")
    if way_out == "logout":
        assert bob.post("/api/v1/logout").status == 204
    else:
        assert alice.patch("/api/v1/users/bob@example.com", {"is_disabled": True}).status == 200
    assert next(stream, b"") == b""


def test_an_open_stream_does_not_keep_an_idle_session_alive(api_server: ApiServer) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.OPERATOR)
    stream = bob.stream("/api/v1/events")
    assert next(stream).startswith(b"retry:")
    api_server.clock.advance(days=7.1)
    assert next(stream, b"") == b""


@pytest.mark.parametrize("version", [2**31, 2**63, 2**70, -(2**63) - 1])
def test_a_version_beyond_all_numbers_is_refused(alice: Client, version: int) -> None:
    assert (
        alice.post("/api/v1/automations", {"template": "hello", "version": version}).status == 400
    )
