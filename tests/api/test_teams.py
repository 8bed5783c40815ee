"""Microsoft Teams by the address of a workflow, at a stand-in on loopback."""

from __future__ import annotations

import json
from typing import Any

import pytest

from opsicle.domain.access import BuiltInRole
from opsicle.server.channels.kinds.teams import compose
from opsicle.server.channels.messages import CUT
from tests.api.channel_setup import ask, deliver
from tests.api.receivers import LOOPBACK, WebhookReceiver
from tests.api.running_server import ApiServer, Client
from tests.api.sample_messages import PAGE, message

MOST_BYTES = 28_000
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"


def card_in(posted: Any) -> Any:
    """Return the card of a message, if its envelope is one that a workflow takes."""
    assert posted["type"] == "message"
    (attachment,) = posted["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    return card


def lines_in(card: Any) -> list[str]:
    """Return what a card shows, and that all of it is in elements without Markdown."""
    assert {element["type"] for element in card["body"]} == {"RichTextBlock"}
    runs = [run for element in card["body"] for run in element["inlines"]]
    assert {run["type"] for run in runs} == {"TextRun"}
    return [run["text"] for run in runs]


def test_a_room_is_told_of_an_approval_with_a_button_to_its_page(
    api_server: ApiServer, alice: Client, receiver: WebhookReceiver
) -> None:
    mia = api_server.person("acme", "mia", BuiltInRole.MEMBER)
    alice.patch("/api/v1/users/mia@example.com", {"manager": "alice@example.com"})
    config = {"kind": "teams", "allow_networks": LOOPBACK}
    room = {"name": "room", "config": config, "credential": receiver.url}
    assert alice.post("/api/v1/channels", room).status == 201

    asked = ask(alice, mia)
    deliver(api_server)

    (posted,) = receiver.received
    card = card_in(json.loads(posted.body))
    shown = "\n".join(lines_in(card))
    assert "restart-web" in shown
    assert "nginx -t" in shown
    assert "hunter2" not in shown
    (button,) = card["actions"]
    assert button["type"] == "Action.OpenUrl"
    assert button["url"].endswith(f"/approvals/{asked['approval_id']}")


@pytest.mark.parametrize(
    "hostile",
    ["**bold** [click](https://evil.example.com)", "<at>everyone</at>", "- a", "<b>x</b>", "# x"],
)
def test_what_people_wrote_is_text_and_mentions_nobody(hostile: str) -> None:
    posted = compose(message(hostile, Reason=hostile))

    card = card_in(posted)
    assert any(hostile in line for line in lines_in(card))
    assert "entities" not in json.dumps(posted)
    assert [action["url"] for action in card["actions"]] == [PAGE]


def test_a_line_break_in_a_value_makes_no_line_that_looks_like_another_fact() -> None:
    card = card_in(compose(message(Reason="it hangs\nApproved by: Ada")))

    assert lines_in(card)[1:] == ["Reason: it hangs", f"{NO_BREAK_SPACE * 4}Approved by: Ada"]


def test_a_card_evaluates_nothing_of_a_value() -> None:
    card = card_in(compose(message(Reason="{{DATE(2017-02-14T06:08:39Z,SHORT)}} {{{TIME(x)}}}")))

    assert "{{" not in json.dumps(card)


def test_a_long_message_fits_and_says_that_it_was_cut() -> None:
    facts = {f"Fact {i}": "\N{SNOWMAN}" * 890 for i in range(30)}

    posted = compose(message(**facts))

    assert len(json.dumps(posted, ensure_ascii=False).encode()) < MOST_BYTES
    assert lines_in(card_in(posted))[-1] == CUT
