"""Slack, against a stand-in.

Who is linked is told, and what they press and fill in is their account's decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.domain.policies import Chat
from opsicle.security import totp
from opsicle.server.channels.messages import CUT, Undelivered
from tests.api.authenticator_app import enrol
from tests.api.channel_setup import ask, deliver, deliveries, entries, make_slack, post_notice
from tests.api.running_server import ApiServer, Client
from tests.api.slack_api import (
    APP_TOKEN,
    BOT_TOKEN,
    PATIENCE,
    TOKENS,
    SlackApi,
    buttons_in,
    text_in,
    wait_for_answer,
)
from tests.support import wait_until

ALICE, BOB, MIA = "alice@example.com", "bob@example.com", "mia@example.com"
BOBS, MIAS, UNLINKED = "U0B0B", "U0M1A", "U0ANY"
MFA = "{name: boss, approvers: {manager: true}, requireMfa: true}"

Receive = Callable[[str], Any]
"""Lets the server deal with an envelope; what it answered."""


@pytest.fixture
def alice(api_server: ApiServer, slack: SlackApi) -> Client:
    """Return Alice, who has made the channel."""
    return make_slack(api_server, slack)


@pytest.fixture
def receive(api_server: ApiServer, slack: SlackApi, alice: Client) -> Iterator[Receive]:
    """Return the server's connection to Slack."""
    (channel_id,) = api_server.services.inboxes["slack"].channels()
    with api_server.services.inboxes["slack"].open(channel_id) as turn:
        assert turn(PATIENCE) == 1, "Slack says hello"
        wait_until(lambda: bool(slack.sockets))

        def receive(envelope_id: str) -> Any:
            assert turn(PATIENCE) == 1
            return wait_for_answer(slack, envelope_id)

        yield receive


@pytest.fixture
def bob(api_server: ApiServer, slack: SlackApi, alice: Client, receive: Receive) -> Client:
    """Bob, linked to his Slack account."""
    bob = api_server.person("acme", "bob", BuiltInRole.MANAGER)
    link(slack, receive, bob, BOBS)
    return bob


@pytest.fixture
def mia(api_server: ApiServer, alice: Client, bob: Client) -> Client:
    """Mia, whose manager is Bob."""
    mia = api_server.person("acme", "mia", BuiltInRole.MEMBER)
    assert alice.patch(f"/api/v1/users/{MIA}", {"manager": BOB}).status == 200
    return mia


def link(slack: SlackApi, receive: Receive, person: Client, user: str) -> str:
    code = person.post("/api/v1/chat-links", {"channel": "slack"}).json["code"]
    receive(slack.write(user, f"link {code}"))
    return text_in(slack.posted(f"D{user}")[-1])


def told(api_server: ApiServer, slack: SlackApi, room: str = f"D{BOBS}") -> dict[str, Any]:
    """Return the newest message in a room, once everything is delivered."""
    deliver(api_server)
    return slack.posted(room)[-1]


def said(slack: SlackApi, user: str) -> str:
    """Return what the app said last to a user about what they did."""
    return text_in(slack.posted(user)[-1])


def state(admin: Client) -> str:
    return str(admin.get("/api/v1/automations").json["items"][0]["state"])


def test_a_code_links_a_slack_user_to_an_account_once(
    api_server: ApiServer, slack: SlackApi, alice: Client, receive: Receive
) -> None:
    bob = api_server.person("acme", "bob", BuiltInRole.MEMBER)
    code = bob.post("/api/v1/chat-links", {"channel": "slack"}).json["code"]
    receive(slack.write(BOBS, f" Link {code.lower()}"))
    receive(slack.write(UNLINKED, f"/link {code}"))
    assert text_in(slack.posted(f"D{BOBS}")[0]) == f"You are {BOB} here from now on."
    assert text_in(slack.posted(f"D{UNLINKED}")[0]) == "This code is not good, or no longer."
    (shown,) = bob.get("/api/v1/chat-links").json["items"]
    assert (shown["channel"], shown["channel_kind"], shown["chat_user"]) == ("slack", "slack", BOBS)
    assert [entry["channel"] for entry in entries(api_server.session(ALICE), "link_chat")] == [
        "slack"
    ]


def test_only_what_people_write_to_the_app_alone_is_answered(
    slack: SlackApi, receive: Receive
) -> None:
    receive(slack.write(BOBS, "hello", channel_type="channel"))
    receive(slack.write(BOBS, "hello", bot_id="B1"))
    receive(slack.write(BOBS, "hello", subtype="message_changed"))
    assert [call.method for call in slack.calls] == ["apps.connections.open"]
    receive(slack.write(BOBS, "hello"))
    assert "link CODE" in text_in(slack.posted(f"D{BOBS}")[0])


def test_whoever_is_asked_is_told_all_that_there_is_to_know_with_buttons(
    api_server: ApiServer, slack: SlackApi, alice: Client, mia: Client
) -> None:
    reason = "<!channel> *now*\nRuns: nothing & <https://evil.example|this>"
    asked = ask(alice, mia, commands=("nginx -t", "x" * 5000), reason=reason)
    message = told(api_server, slack)

    lines = text_in(message).splitlines()
    assert lines[:8] == [
        "mia@example.com asks to run restart-web version 1",
        "Asked by: mia (mia@example.com)",
        "Template: restart-web, version 1",
        "Values: service=nginx",
        "    password=••••",
        "Reason: <!channel> *now*",
        "    Runs: nothing & <https://evil.example|this>",
        "Runs: check: nginx -t",
    ]

    assert lines[8].endswith(CUT)
    assert lines[9] == "Waits for: boss: 1 of bob@example.com"
    assert "hunter2" not in str(message)

    url = f"https://ops.example.com/approvals/{asked['approval_id']}"
    assert text_in(message).endswith(url)

    buttons = buttons_in(message)
    assert list(buttons) == ["Approve", "Reject", "Open the page"]
    assert (buttons["Approve"]["value"], buttons["Open the page"]["url"]) == (
        asked["approval_id"],
        url,
    )

    assert all(
        block["text"]["type"] == "plain_text"
        for block in message["blocks"]
        if block["type"] == "section"
    )
    assert all(
        len(block["text"]["text"]) <= 3000
        for block in message["blocks"]
        if block["type"] == "section"
    )


def test_what_a_notification_shows_mentions_nobody(
    api_server: ApiServer, slack: SlackApi, alice: Client, bob: Client
) -> None:
    post_notice(api_server, BOB, subject="<!channel> & more")
    assert told(api_server, slack)["text"] == "&lt;!channel&gt; &amp; more"


def test_a_press_decides_as_the_account_and_everybody_hears_of_it(
    api_server: ApiServer, slack: SlackApi, alice: Client, mia: Client, receive: Receive
) -> None:
    link(slack, receive, mia, MIAS)
    asked = ask(alice, mia)
    buttons = buttons_in(told(api_server, slack))

    assert receive(slack.press(BOBS, buttons["Open the page"])) is None
    assert state(alice) == "awaiting_approval"

    for _ in range(2):
        assert receive(slack.press(BOBS, buttons["Approve"])) is None
        assert said(slack, BOBS) == "Approved. restart-web is approved."

    assert state(alice) == "queued"
    (entry,) = entries(alice, "approve")
    assert (entry["actor_name"], entry["channel"], entry["address"]) == (
        BOB,
        "slack",
        f"slack:{BOBS}",
    )
    assert entry["resource"] == f"approvals/{asked['approval_id']}"

    end = told(api_server, slack, f"D{MIAS}")
    assert text_in(end).startswith("mia@example.com asked to run restart-web version 1: approved\n")
    assert list(buttons_in(end)) == ["Open the page"]


def test_neither_a_stranger_nor_who_asked_nor_who_has_left_decides(
    api_server: ApiServer, slack: SlackApi, alice: Client, mia: Client, receive: Receive
) -> None:
    link(slack, receive, mia, MIAS)
    ask(alice, mia)
    approve = buttons_in(told(api_server, slack))["Approve"]
    receive(slack.press(UNLINKED, approve))
    assert said(slack, UNLINKED).startswith("You are not linked to an account here.")
    receive(slack.press(MIAS, approve))
    assert said(slack, MIAS) == "you asked for this yourself. Somebody else has to decide."
    alice.patch(f"/api/v1/users/{BOB}", {"is_disabled": True})
    receive(slack.press(BOBS, approve))
    assert said(slack, BOBS).startswith("You are not linked to an account here.")
    assert state(alice) == "awaiting_approval"


def test_a_code_is_asked_for_in_a_dialog_until_it_is_right_and_works_once(
    api_server: ApiServer,
    slack: SlackApi,
    alice: Client,
    mia: Client,
    bob: Client,
    receive: Receive,
) -> None:
    ask(alice, mia, gate=MFA)
    first = buttons_in(told(api_server, slack))["Approve"]
    ask(alice, mia, gate=MFA)
    app = enrol(api_server, bob)
    api_server.clock.advance(seconds=totp.STEP_SECONDS)
    code = app.code()
    approve = buttons_in(told(api_server, slack))["Approve"]

    assert receive(slack.press(BOBS, approve)) is None
    (dialog,) = slack.dialogs()
    assert dialog["title"]["text"] == "Approve"

    wrong = receive(slack.fill_in(BOBS, dialog, totp=app.code(later=40)))
    assert wrong["response_action"] == "errors"
    assert wrong["errors"]["totp"].startswith("the code is wrong or has been used.")

    assert receive(slack.fill_in(UNLINKED, dialog, totp=code)) is None
    assert said(slack, UNLINKED).startswith("You are not linked")
    assert state(alice) == "awaiting_approval"

    assert receive(slack.fill_in(BOBS, dialog, totp=f" {code} ")) is None
    assert said(slack, BOBS) == "Approved. restart-web is approved."
    shown = alice.get(f"/api/v1/approvals/{approve['value']}").json
    assert shown["gates"][0]["decisions"][0]["with_mfa"] is True

    receive(slack.press(BOBS, first))
    assert (
        receive(slack.fill_in(BOBS, slack.dialogs()[-1], totp=code))["response_action"] == "errors"
    )


def test_a_reason_and_a_code_are_asked_for_in_the_same_dialog(
    api_server: ApiServer,
    slack: SlackApi,
    alice: Client,
    mia: Client,
    bob: Client,
    receive: Receive,
) -> None:
    asked = ask(
        alice,
        mia,
        gate="{name: boss, approvers: {manager: true}, requireReason: true, requireMfa: true}",
    )

    app = enrol(api_server, bob)
    api_server.clock.advance(seconds=totp.STEP_SECONDS)

    receive(slack.press(BOBS, buttons_in(told(api_server, slack))["Reject"]))
    (dialog,) = slack.dialogs()

    assert receive(slack.fill_in(BOBS, dialog, reason="too late"))["errors"].keys() == {"totp"}
    assert receive(slack.fill_in(BOBS, dialog, reason="too late", totp=app.code())) is None

    (decision,) = alice.get(f"/api/v1/approvals/{asked['approval_id']}").json["gates"][0][
        "decisions"
    ]
    assert (decision["verdict"], decision["reason"], decision["with_mfa"]) == (
        "reject",
        "too late",
        True,
    )
    assert state(alice) == "rejected"


def test_a_policy_may_name_slack_users_and_rooms(
    api_server: ApiServer, slack: SlackApi, alice: Client, bob: Client, receive: Receive
) -> None:
    carl = api_server.person("acme", "carl", BuiltInRole.MEMBER)
    who = f"approvers: {{chatUsers: [{{channel: slack, id: {BOBS}}}]}}"
    ask(alice, carl, gate=f"{{name: ops, {who}, chats: [{{channel: slack, id: ops-approvals}}]}}")
    in_room = told(api_server, slack, "ops-approvals")
    receive(slack.press(UNLINKED, buttons_in(in_room)["Approve"]))
    assert state(alice) == "awaiting_approval"
    receive(slack.press(BOBS, buttons_in(in_room)["Approve"]))
    assert state(alice) == "queued"
    assert "approved" in text_in(told(api_server, slack, "ops-approvals"))


def test_what_is_not_ours_or_cannot_be_read_decides_nothing(
    api_server: ApiServer, slack: SlackApi, alice: Client, mia: Client, receive: Receive
) -> None:
    asked = ask(alice, mia)
    odd: tuple[dict[str, Any], ...] = (
        {"type": 1},
        {"type": "block_actions", "actions": None},
        {"event": {"user": {}}},
    )
    for payload in odd:
        receive(slack.send("interactive", payload))
    for metadata in ("", "{}", f'{{"approval_id": "{asked["approval_id"]}", "verdict": "launch"}}'):
        dialog = {"callback_id": "decision", "private_metadata": metadata, "blocks": []}
        assert receive(slack.fill_in(BOBS, dialog)) is None
    assert state(alice) == "awaiting_approval"


def test_each_token_goes_only_where_it_belongs(
    api_server: ApiServer, slack: SlackApi, alice: Client, bob: Client
) -> None:
    post_notice(api_server, BOB)
    deliver(api_server)
    assert {(call.method == "apps.connections.open", call.token) for call in slack.calls} == {
        (True, APP_TOKEN),
        (False, BOT_TOKEN),
    }
    assert not any("xapp" in str(call.body) or "xoxb" in str(call.body) for call in slack.calls)
    assert {call.user_agent.split("/")[0] for call in slack.calls} == {"opsicle"}


@pytest.mark.parametrize(
    ("error", "state", "shown"),
    [
        ("ratelimited", "failed", "Slack answered ratelimited"),
        ("channel_not_found", "gave_up", "Slack answered channel_not_found"),
        (f"Token {BOT_TOKEN}!", "failed", "Slack answered 200"),
    ],
)
def test_a_refusal_is_said_and_tried_again_where_that_can_help(
    api_server: ApiServer,
    slack: SlackApi,
    alice: Client,
    bob: Client,
    error: str,
    state: str,
    shown: str,
) -> None:
    slack.refusals["chat.postMessage"] = error
    post_notice(api_server, BOB)
    deliver(api_server)
    (delivery,) = deliveries(alice)
    assert (delivery["state"], delivery["last_error"]) == (state, shown)


def test_slack_is_reached_past_no_network_or_proxy_that_the_admin_did_not_allow(
    api_server: ApiServer,
    slack: SlackApi,
    alice: Client,
    bob: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No way leads past the networks that an admin allows, or through the environment's proxy."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")

    post_notice(api_server, BOB)
    deliver(api_server)
    assert deliveries(alice)[0]["state"] == "delivered"

    config = {
        "kind": "slack",
        "base_url": slack.url.replace("http:", "https:"),
        "allow_networks": [],
    }
    assert (
        alice.patch("/api/v1/channels/slack", {"config": config, "credential": TOKENS}).status
        == 200
    )

    count = len(slack.calls)
    post_notice(api_server, chats=(Chat("slack", "C1"),))  # the move has ended all links
    deliver(api_server)
    assert "not public" in deliveries(alice)[0]["last_error"]

    (channel_id,) = api_server.services.inboxes["slack"].channels()
    with (
        pytest.raises(Undelivered, match="not public"),
        api_server.services.inboxes["slack"].open(channel_id),
    ):
        pass

    assert len(slack.calls) == count
