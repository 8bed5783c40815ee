"""What a person, or somebody with a stolen session, sends to the live views to break them or to see too long."""

from __future__ import annotations

import pytest

from opsicle.wire.user_api import RunRequest
from tests.api.house import Client, House

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
