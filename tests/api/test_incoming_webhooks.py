"""What holds for every kind of channel that writes to one room at an address: send only."""

from __future__ import annotations

from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.channels.kind import ChannelKind, Reach
from opsicle.server.channels.kinds import KINDS
from tests.api.channel_setup import (
    ask,
    deliver,
    deliveries,
    entries,
    finish_one,
    make_webhook,
    post_notice,
)
from tests.api.receivers import LOOPBACK, WebhookReceiver, webhook_receiver
from tests.api.running_server import Answer, ApiServer, Client

ROOMS = [kind for kind in KINDS if kind.reaches is Reach.ROOM]
SECRET_PATH = "/hook"
NOTIFIED = """apiVersion: v1
type: AutomationTemplate
metadata: {name: told}
spec:
  approvalPolicy: {policyRef: p}
  notify: [{users: [alice@example.com]}]
  template: {phases: [{name: act, commands: ["true"]}]}
"""

every_room = pytest.mark.parametrize("kind", ROOMS, ids=lambda kind: kind.name)


def make_room(
    client: Client, kind: ChannelKind[Any], url: str, networks: tuple[str, ...] = LOOPBACK
) -> Answer:
    config = {"kind": kind.name, "allow_networks": networks}
    return client.post("/api/v1/channels", {"name": "room", "config": config, "credential": url})


@every_room
@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, "delivered"),
        (202, "delivered"),
        (400, "gave_up"),
        (404, "gave_up"),
        (408, "failed"),
        (429, "failed"),
        (302, "failed"),
        (500, "failed"),
        (503, "failed"),
    ],
)
def test_what_is_refused_is_final_and_what_may_pass_is_tried_again(
    api_server: ApiServer,
    alice: Client,
    receiver: WebhookReceiver,
    kind: ChannelKind[Any],
    status: int,
    state: str,
) -> None:
    make_room(alice, kind, receiver.url)
    receiver.status, receiver.headers = status, {"Location": receiver.url}

    post_notice(api_server, "alice@example.com")
    deliver(api_server)

    (delivery,) = deliveries(alice)
    assert (delivery["state"], delivery["recipient"]) == (state, "")
    assert len(receiver.received) == 1
    assert state == "delivered" or str(status) in delivery["last_error"]


@every_room
def test_the_address_is_a_secret(
    api_server: ApiServer, alice: Client, receiver: WebhookReceiver, kind: ChannelKind[Any]
) -> None:
    made = make_room(alice, kind, receiver.url)
    receiver.status = 500

    post_notice(api_server, "alice@example.com")
    deliver(api_server)

    assert made.json["has_credential"]
    seen = [
        made,
        alice.get("/api/v1/channels"),
        alice.get("/api/v1/deliveries"),
        alice.get("/api/v1/audit"),
    ]
    assert entries(alice, "create")
    assert not [answer for answer in seen if SECRET_PATH in answer.content.decode()]


@every_room
@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://chat.example.com/hook",
        "https://user:word@chat.example.com/",
        "http://chat.example.com/",
    ],
)
def test_an_address_that_cannot_be_is_refused_without_being_quoted(
    alice: Client, kind: ChannelKind[Any], url: str
) -> None:
    answer = make_room(alice, kind, url, networks=())

    assert answer.status == 400
    assert answer.json["errors"][0]["path"] == "credential"
    assert "chat.example.com" not in answer.content.decode()


@every_room
def test_a_room_leads_to_no_network_that_the_channel_does_not_name(
    api_server: ApiServer, alice: Client, receiver: WebhookReceiver, kind: ChannelKind[Any]
) -> None:
    make_room(alice, kind, receiver.url)
    alice.patch("/api/v1/channels/room", {"config": {"kind": kind.name}})

    post_notice(api_server, "alice@example.com")
    deliver(api_server)

    assert not receiver.received
    assert "not public" in deliveries(alice)[0]["last_error"]


@every_room
def test_the_address_does_not_move_to_another_ca(
    alice: Client, receiver: WebhookReceiver, kind: ChannelKind[Any]
) -> None:
    make_room(alice, kind, receiver.url)
    config = {
        "kind": kind.name,
        "allow_networks": LOOPBACK,
        "ca_pem": "-----BEGIN CERTIFICATE-----",
    }

    answer = alice.patch("/api/v1/channels/room", {"config": config})

    assert answer.json["errors"][0]["path"] == "credential"


@every_room
def test_of_two_notices_that_say_the_same_a_room_hears_one_and_a_program_both(
    api_server: ApiServer, alice: Client, receiver: WebhookReceiver, kind: ChannelKind[Any]
) -> None:
    mia = api_server.person("acme", "mia", BuiltInRole.MEMBER)
    alice.patch("/api/v1/users/mia@example.com", {"manager": "alice@example.com"})
    ask(alice, mia)  # makes the policy
    assert alice.post("/api/v1/templates", {"source": NOTIFIED}).status == 201
    asked = mia.post("/api/v1/automations", {"template": "told"}).json
    make_room(alice, kind, receiver.url)

    with webhook_receiver() as program:
        make_webhook(alice, program.url)
        rejected = alice.post(f"/api/v1/approvals/{asked['approval_id']}/reject", {"reason": "no"})
        assert rejected.status == 200, rejected.content
        deliver(api_server)

    assert (len(receiver.received), len(program.received)) == (1, 2)


@every_room
def test_a_room_is_nobodys_own(
    api_server: ApiServer, alice: Client, receiver: WebhookReceiver, kind: ChannelKind[Any]
) -> None:
    make_room(alice, kind, receiver.url)

    finish_one(api_server)
    deliver(api_server)

    assert len(receiver.received) == 1
    assert alice.get("/api/v1/preferences").json["items"] == []
    assert alice.get("/api/v1/chat-links").json["items"] == []
    assert alice.post("/api/v1/channels/room/test", {}).status == 202
