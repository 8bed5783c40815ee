"""Mattermost, by an incoming webhook: one room, send only.

https://developers.mattermost.com/integrate/webhooks/incoming/
"""

from __future__ import annotations

import re

from opsicle.domain.channels import ChannelConfig
from opsicle.server.channels.incoming_webhooks import room_by_webhook
from opsicle.server.channels.messages import CUT, Message, lines_of, one_line

MAX_TEXT_CHARACTERS = 12_000
"""A post has 16,383 at most. A longer one would be cut into several, in the middle of the fence."""

_SLACK_MARKUP = re.compile(r"<(?=[!@#]|[^\n<|>]+\|[^\n>]+>)")
"""What Mattermost makes mentions and links of, as Slack's webhooks do, even in a code block."""


class MattermostConfig(ChannelConfig, frozen=True, kw_only=True, tag="mattermost"):
    """A room. The credential is the webhook's URL, so there is nothing else to set."""


def compose(message: Message) -> dict[str, object]:
    """Return what Mattermost takes: all that people wrote in a code block, and the link below it.

    In a code block nothing is markup, a mention or a link, and commands are shown as they run. Only
    a `<` that Mattermost would read as Slack's markup is shown as its wide form.
    """
    facts = [line for fact in message.facts for line in lines_of(fact)]
    text = "\n".join([one_line(message.subject), *facts])
    if len(text) > MAX_TEXT_CHARACTERS:
        text = text[: MAX_TEXT_CHARACTERS - len(CUT)] + CUT
    text = _SLACK_MARKUP.sub("\N{FULLWIDTH LESS-THAN SIGN}", text)

    # Longer than any run of backticks in the text, so that nothing in it ends the block.
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return {"text": f"{fence}text\n{text}\n{fence}\n{message.url}"}


KIND = room_by_webhook(
    label="Mattermost",
    config=MattermostConfig,
    credential="URL of the incoming webhook",
    compose=compose,
)
