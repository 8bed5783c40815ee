"""What a person, or somebody with a stolen session, sends to the live views to break them or to see too long."""

from __future__ import annotations

import pytest

from opsicle.domain.access import Role
from opsicle.wire.user_api import RunRequest
from tests.api.running_server import Client, House

TEMPLATE = """
apiVersion: v1
type: AutomationTemplate
metadata: {name: hello}
spec:
  template:
    phases: [{name: greet, commands: ["echo hello"]}]
"""


@pytest.fixture
def alice(house: House) -> Client:
    alice = house.session("alice@example.com")
    assert alice.post("/api/v1/templates", {"source": TEMPLATE}).status in (200, 201)
    return alice


def run(house: House) -> str:
    return house.services.automations.create(house.actor("alice@example.com"), RunRequest(template="hello")).id


@pytest.mark.parametrize("sent", ["JOB:²", "JOB:" + "9" * 5000, "JOB:" + "9" * 30, "JOB:-1", ":", "²:²"])
def test_a_last_event_id_that_is_none_of_ours_begins_at_the_beginning(house: House, alice: Client, sent: str) -> None:
    answer = alice.call("GET", f"/api/v1/automations/{run(house)}/events", **{"Last-Event-ID": sent})
    assert answer.status == 200


@pytest.mark.parametrize("path", ["automations/{id}/events", "events"])
@pytest.mark.parametrize("way_out", ["logout", "disable"])
def test_a_stream_tells_nothing_more_to_somebody_who_was_shut_out(
    house: House, alice: Client, path: str, way_out: str
) -> None:
    automation_id = run(house)
    bob = house.person("acme", "bob", Role.OPERATOR)
    stream = bob.stream(f"/api/v1/{path.format(id=automation_id)}")
    assert next(stream).startswith(b"retry:")
    if way_out == "logout":
        assert bob.post("/api/v1/logout").status == 204
    else:
        assert alice.patch("/api/v1/users/bob@example.com", {"is_disabled": True}).status == 200
    assert next(stream, b"") == b""


def test_an_open_stream_does_not_keep_an_idle_session_alive(house: House) -> None:
    bob = house.person("acme", "bob", Role.OPERATOR)
    stream = bob.stream("/api/v1/events")
    assert next(stream).startswith(b"retry:")
    house.clock.advance(days=7.1)
    assert next(stream, b"") == b""


@pytest.mark.parametrize("version", [2**31, 2**63, 2**70, -(2**63) - 1])
def test_a_version_beyond_all_numbers_is_refused(alice: Client, version: int) -> None:
    assert alice.post("/api/v1/automations", {"template": "hello", "version": version}).status == 400
