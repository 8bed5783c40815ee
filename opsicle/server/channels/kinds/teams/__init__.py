"""Microsoft Teams, by the address of a workflow that posts cards: one room, send only.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-incoming-webhook
"""

from __future__ import annotations

import re

import msgspec

from opsicle.domain.channels import ChannelConfig
from opsicle.server.channels.incoming_webhooks import room_by_webhook
from opsicle.server.channels.messages import CUT, Message, lines_of, one_line

MAX_BODY_BYTES = 24_000
"""Of the card's text, as JSON. Teams takes about 28 KB for the whole message."""

_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
_BRACES = re.compile(r"\{(?=\{)")
_APART = "{\N{WORD JOINER}"
"""A card's `{{DATE(…)}}` would be shown as a date; with this between the braces it is text."""


class TeamsConfig(ChannelConfig, frozen=True, kw_only=True, tag="teams"):
    """A room. The credential is the workflow's URL, so there is nothing else to set."""


def compose(message: Message) -> dict[str, object]:
    """Return what the workflow takes: an Adaptive Card with a button that leads to the page."""
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": _body(message),
        "actions": [{"type": "Action.OpenUrl", "title": "Open the page", "url": message.url}],
    }
    content_type = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": content_type, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _body(message: Message) -> list[dict[str, object]]:
    """Return the lines of a message; where it is too long, the last one says so."""
    lines = [_line(one_line(message.subject), size="Medium", weight="Bolder")]
    for fact in message.facts:
        first, *more = lines_of(fact)
        lines.append(_line(first))
        lines += [_line(line) for line in more]

    left = MAX_BODY_BYTES
    for i, line in enumerate(lines):
        left -= len(msgspec.json.encode(line)) + 1
        if left < 0:
            return [*lines[:i], _line(CUT)]
    return lines


def _line(text: str, **look: str) -> dict[str, object]:
    """Return a line that is shown as it is: in a TextRun, unlike a TextBlock, there is no Markdown.

    Spaces at its beginning are made such that stay, for they tell a line of a value from a fact.
    """
    bare = text.lstrip(" ")
    shown = _NO_BREAK_SPACE * (len(text) - len(bare)) + _BRACES.sub(_APART, bare)
    run = {"type": "TextRun", "text": shown, **look}
    return {"type": "RichTextBlock", "spacing": "Small", "inlines": [run]}


KIND = room_by_webhook(
    label="Microsoft Teams",
    config=TeamsConfig,
    credential="URL of the workflow",
    compose=compose,
)
