"""The connection to Slack: its tokens, its renewal, and where it may lead."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.web import WebClient

from opsicle.server.channels.messages import Undelivered
from tests.api.channel_setup import make_slack
from tests.api.running_server import ApiServer, Client
from tests.api.slack_api import (
    APP_TOKEN,
    BOT_TOKEN,
    PATIENCE,
    TOKENS,
    SlackApi,
    wait_for_answer,
)
from tests.support import wait_until

BOBS = "U0B0B"


@pytest.fixture
def alice(api_server: ApiServer, slack: SlackApi) -> Client:
    """Return Alice, who has made the channel."""
    return make_slack(api_server, slack)


def test_the_websocket_may_lead_nowhere_else(
    api_server: ApiServer, slack: SlackApi, alice: Client
) -> None:
    """Slack names its address: it is judged like every other."""
    (channel_id,) = api_server.services.inboxes["slack"].channels()
    for url, why in {
        "wss://10.1.2.3": "not public",
        "ws://192.0.2.1": "not public",
        "http://127.0.0.1": "cannot be read",
    }.items():
        slack.socket_url = url
        with (
            pytest.raises(Undelivered, match=why),
            api_server.services.inboxes["slack"].open(channel_id),
        ):
            pass


def test_the_connection_is_renewed_when_slack_says_so_and_nothing_is_missed(
    api_server: ApiServer, slack: SlackApi, alice: Client
) -> None:
    (channel_id,) = api_server.services.inboxes["slack"].channels()
    with api_server.services.inboxes["slack"].open(channel_id) as turn:
        assert turn(PATIENCE) == 1
        wait_until(lambda: len(slack.sockets) == 1)
        slack.disconnect("refresh_requested")
        assert turn(PATIENCE) == 1
        wait_until(lambda: len(slack.sockets) == 2)
        assert turn(PATIENCE) == 1
        envelope = slack.write(BOBS, "hello")
        assert turn(PATIENCE) == 1
        wait_for_answer(slack, envelope)
        slack.disconnect("link_disabled")
        with pytest.raises(Undelivered, match="turned off"):
            turn(PATIENCE)


@pytest.mark.parametrize(
    "credential", ["", BOT_TOKEN, f"{BOT_TOKEN} {APP_TOKEN}", f"{TOKENS} more", "xapp-1 xoxb-2"]
)
def test_the_credential_is_both_tokens(
    api_server: ApiServer, alice: Client, credential: str
) -> None:
    answer = alice.post(
        "/api/v1/channels", {"name": "s", "config": {"kind": "slack"}, "credential": credential}
    )
    assert (answer.status, answer.json["errors"][0]["path"]) == (400, "credential")


def test_the_librarys_own_client_gets_along_with_the_stand_in(slack: SlackApi) -> None:
    """So that our tests are not the only ones who believe in it."""
    heard: list[Any] = []
    web = WebClient(token=BOT_TOKEN, base_url=f"{slack.url}/")
    client = SocketModeClient(app_token=APP_TOKEN, web_client=web, auto_reconnect_enabled=False)
    client.socket_mode_request_listeners.append(
        lambda its, request: (
            heard.append(request),
            its.send_socket_mode_response({"envelope_id": request.envelope_id}),
        )
    )

    client.connect()
    try:
        wait_until(lambda: bool(slack.sockets))
        envelope = slack.write(BOBS, "hello")
        wait_for_answer(slack, envelope)
    finally:
        client.close()

    assert heard[0].payload["event"]["text"] == "hello"
