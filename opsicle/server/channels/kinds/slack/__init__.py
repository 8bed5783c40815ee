"""Slack, as an app in Socket Mode."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

from opsicle.domain import bounds
from opsicle.domain.channels import ChatServiceConfig
from opsicle.server.channels.chat_listeners import Inbox
from opsicle.server.channels.kind import ChannelKind, InboxParts, Reach
from opsicle.server.channels.messages import Transport

_TOKENS = re.compile(r"xapp-[A-Za-z0-9-]{8,250} xoxb-[A-Za-z0-9-]{8,250}")


class SlackConfig(ChatServiceConfig, frozen=True, kw_only=True, tag="slack"):
    """An app in Socket Mode. The credential is its app token, a space and its bot token."""

    base_url: Annotated[
        bounds.Url,
        Meta(title="Address of the API", description="Slack's own unless told."),
    ] = "https://slack.com/api"


def _wrong_tokens(_config: SlackConfig, tokens: str) -> str:
    are_both = _TOKENS.fullmatch(tokens)
    return "" if are_both else "the credential must be both tokens: xapp-… xoxb-…"


def _open(config: SlackConfig, tokens: str) -> Transport:
    from opsicle.server.channels.kinds.slack.transport import Slack

    return Slack(config, tokens)


def _inbox(parts: InboxParts) -> Inbox:
    from opsicle.server.channels.kinds.slack.inbox import SlackInbox

    return SlackInbox(parts.database, parts.vault, parts.bounds, parts.chats)


KIND = ChannelKind(
    label="Slack",
    config=SlackConfig,
    credential="App token and bot token (xapp-… xoxb-…)",
    wrong_credential=_wrong_tokens,
    reaches=Reach.CHAT,
    open=_open,
    inbox=_inbox,
)
