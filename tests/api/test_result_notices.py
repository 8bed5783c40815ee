"""What a template says of who hears how it ended.

Warnings at the push, and what goes out through the channels.
"""

from __future__ import annotations

from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from tests.api.channel_setup import deliveries
from tests.api.running_server import ApiServer, Client
from tests.api.test_templates import push, source

MAIL = {"kind": "email", "host": "mail.example.com", "sender": "opsicle@example.com"}
BOT = {"kind": "telegram", "base_url": "https://telegram.example.com"}
SECRET = "hunter2-hunter2"
TEMPLATE = """apiVersion: v1
type: AutomationTemplate
metadata: {name: told}
spec:
  notify:
    - {users: [bob@example.com], groups: [sre], chats: [{channel: telegram, id: -100200}]}
  variables: [{id: password, type: secret}, {id: host, type: string}]
  template: {phases: [{name: act, commands: ["true"]}]}
"""


def cancel_one(alice: Client) -> None:
    body = {"template": "told", "values": {"password": SECRET, "host": "web-1"}}
    made = alice.post("/api/v1/automations", body)
    assert made.status == 201, made.content
    assert alice.post(f"/api/v1/automations/{made.json['id']}/cancel").status == 200


def recipients(alice: Client) -> list[str]:
    return sorted(each["recipient"] for each in deliveries(alice))


def test_a_push_warns_of_names_that_the_org_does_not_have_and_of_rooms_without_a_channel(
    api_server: ApiServer, alice: Client
) -> None:
    notify = (
        "  notify: [{users: [alice@example.com, gina@example.com], groups: [sre],"
        " chats: [{channel: slack, id: C}]}]"
    )

    for _ in range(2):  # the second one makes no version, and warns all the same
        warnings: Any = push(alice, source(more=notify))["warnings"]
        assert [(each["path"], each["message"]) for each in warnings] == [
            (
                "spec.notify[0].users[1]",
                "`gina@example.com` is no member of the org and will not be told",
            ),
            ("spec.notify[0].groups[0]", "the org has no group `sre`; nobody of it will be told"),
            ("spec.notify[0].chats", "the org has no channel to slack; its rooms hear nothing"),
        ]

    assert alice.post("/api/v1/groups", {"name": "sre"}).status == 201
    api_server.person("acme", "gina2", BuiltInRole.MEMBER)
    again: Any = push(alice, source(more=notify.replace("gina@", "gina2@")))["warnings"]
    assert [each["path"] for each in again] == ["spec.notify[0].chats"]


def test_what_it_says_is_shown(alice: Client) -> None:
    push(alice, source(more="  notify: [{states: [failed], groups: [sre]}]"))
    shown = alice.get("/api/v1/templates/restart-web").json["notify"]
    assert shown == [{"states": ["failed"], "groups": ["sre"]}]


def test_people_groups_and_rooms_hear_through_the_channels_and_a_room_reads_no_secret(
    api_server: ApiServer, alice: Client
) -> None:
    for name, config, credential in (("mail", MAIL, ""), ("bot", BOT, "123456:" + "x" * 35)):
        made = alice.post(
            "/api/v1/channels", {"name": name, "config": config, "credential": credential}
        )
        assert made.status == 201, made.content

    for name in ("bob", "carol"):
        api_server.person("acme", name, BuiltInRole.MEMBER)
    alice.post("/api/v1/groups", {"name": "sre"})
    assert alice.call("PUT", "/api/v1/groups/sre/members/carol@example.com").status in (
        200,
        201,
        204,
    )

    push(alice, TEMPLATE)
    cancel_one(alice)
    assert recipients(alice) == ["-100200", "bob@example.com", "carol@example.com"]

    texts = api_server.state.read(lambda db: db.execute("SELECT facts FROM deliveries").fetchall())
    assert len(texts) == 3
    assert all("web-1" in text and SECRET not in text for (text,) in texts)


def test_whoever_does_not_want_to_hear_of_it_does_not(api_server: ApiServer, alice: Client) -> None:
    alice.post("/api/v1/channels", {"name": "mail", "config": MAIL})
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    push(alice, TEMPLATE)
    choice = {"channel": "mail", "notice": "automation_finished", "is_on": False}
    assert bob.call("PUT", "/api/v1/preferences", choice).status == 200
    cancel_one(alice)
    assert recipients(alice) == []
    assert bob.call("PUT", "/api/v1/preferences", choice | {"is_on": True}).status == 200
    cancel_one(alice)
    assert recipients(alice) == ["bob@example.com"]


DECISION_REQUESTS = """apiVersion: v1
type: AutomationTemplate
metadata: {name: told}
spec:
  approvalPolicy:
    spec:
      gates:
        - name: g
          approvers: {users: [bob@example.com]}
          chats: [{channel: telegram, id: -100200}]
  notify:
    - {users: [bob@example.com, carol@example.com], chats: [{channel: telegram, id: -100200}]}
  template: {phases: [{name: act, commands: ["true"]}]}
"""


@pytest.mark.parametrize("how", ["rejected", "cancelled", "withdrawn"])
@pytest.mark.parametrize("wants_ends", [True, False], ids=["", "without ends of approvals"])
def test_who_is_asked_and_named_as_well_hears_of_its_end_once(
    api_server: ApiServer, alice: Client, how: str, wants_ends: bool
) -> None:
    for name, config, credential in (("mail", MAIL, ""), ("bot", BOT, "123456:" + "x" * 35)):
        assert (
            alice.post(
                "/api/v1/channels", {"name": name, "config": config, "credential": credential}
            ).status
            == 201
        )
    bob = api_server.person("acme", "bob", BuiltInRole.MANAGER)
    api_server.person("acme", "carol", BuiltInRole.MEMBER)
    choice = {"channel": "mail", "notice": "approval_ended", "is_on": wants_ends}
    assert bob.call("PUT", "/api/v1/preferences", choice).status in (200, 204)
    push(alice, DECISION_REQUESTS)
    asked: Any = alice.post("/api/v1/automations", {"template": "told"}).json
    path = f"/api/v1/approvals/{asked['approval_id']}"

    ended = {
        "rejected": lambda: bob.post(f"{path}/reject", {}),
        "cancelled": lambda: alice.post(f"/api/v1/automations/{asked['id']}/cancel"),
        "withdrawn": lambda: alice.post(f"{path}/withdraw"),
    }[how]()

    assert ended.status == 200, ended.content
    ends = [each["recipient"] for each in deliveries(alice) if each["kind"] != "approval_requested"]
    assert sorted(ends) == sorted(
        [
            "-100200",
            "bob@example.com",
            "carol@example.com",
            *(["alice@example.com"] if how == "rejected" else []),
        ]
    )
