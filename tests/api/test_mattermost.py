"""Mattermost by an incoming webhook, at a stand-in on loopback."""

from __future__ import annotations

import json
import re

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.channels.kinds.mattermost import MAX_TEXT_CHARACTERS, compose
from opsicle.server.channels.messages import CUT
from tests.api.channel_setup import ask, deliver
from tests.api.receivers import LOOPBACK, WebhookReceiver
from tests.api.running_server import Answer, ApiServer, Client
from tests.api.sample_messages import PAGE, message

WIDE = "\N{FULLWIDTH LESS-THAN SIGN}"


def make_room(client: Client, url: str) -> Answer:
    config = {"kind": "mattermost", "allow_networks": LOOPBACK}
    return client.post("/api/v1/channels", {"name": "room", "config": config, "credential": url})


def parts_of(text: str) -> tuple[str, str]:
    """Return what stands in the code block, and what below it.

    Read as loosely as the laxest of Mattermost's clients: the first fence ends the block, however
    far it is indented.
    """
    found = re.fullmatch(
        r"(?P<fence>`{3,})text\n(?P<inside>.*?)\s*(?P=fence) *\n(?P<below>.*)", text, re.DOTALL
    )
    assert found, text
    return found["inside"], found["below"]


def test_a_room_is_told_of_an_approval_with_the_link_to_its_page(
    api_server: ApiServer, alice: Client, receiver: WebhookReceiver
) -> None:
    mia = api_server.person("acme", "mia", BuiltInRole.MEMBER)
    alice.patch("/api/v1/users/mia@example.com", {"manager": "alice@example.com"})
    assert make_room(alice, receiver.url).status == 201

    asked = ask(alice, mia)
    deliver(api_server)

    (posted,) = receiver.received
    inside, below = parts_of(json.loads(posted.body)["text"])
    assert "restart-web" in inside
    assert "nginx -t" in inside
    assert "hunter2" not in inside
    assert below.endswith(f"/approvals/{asked['approval_id']}")


@pytest.mark.parametrize(
    "hostile",
    [
        "@channel @all @here #town-square",
        "**bold** [click](https://evil.example.com) ![](https://evil.example.com/x.png)",
        "```\n@channel",
        "````\n@channel\n````",
        "~~~\n@channel\n~~~",
        "a\n```\n\n| a | b |\n|---|---|\n",
        "`" * 900,
    ],
)
def test_what_people_wrote_stays_inside_the_code_block_as_it_is(hostile: str) -> None:
    text = str(compose(message(hostile, Reason=hostile))["text"])

    inside, below = parts_of(text)
    assert below == PAGE
    for line in hostile.split("\n"):
        assert line.rstrip() in inside


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<!channel>", f"{WIDE}!channel>"),
        ("<@alice>", f"{WIDE}@alice>"),
        ("<https://evil.example.com|the page>", f"{WIDE}https://evil.example.com|the page>"),
        ("cat <(a | b) > c", f"cat {WIDE}(a | b) > c"),
        ("mysql < dump.sql", "mysql < dump.sql"),
        ("cat < a | b", "cat < a | b"),
    ],
)
def test_what_mattermost_would_read_as_slacks_markup_is_none(written: str, shown: str) -> None:
    inside, _ = parts_of(str(compose(message(Commands=written))["text"]))

    assert inside.endswith(f"Commands: {shown}")


def test_a_long_message_is_one_post_and_says_that_it_was_cut() -> None:
    facts = {f"Fact {i}": "x" * 890 for i in range(30)}

    text = str(compose(message(**facts))["text"])

    inside, below = parts_of(text)
    assert len(text) < 16_000
    assert len(inside) == MAX_TEXT_CHARACTERS
    assert inside.endswith(CUT)
    assert below == PAGE
