"""Telegram, as a bot."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

from opsicle.domain import bounds
from opsicle.domain.channels import ChatServiceConfig
from opsicle.server.channels.chat_listeners import Inbox
from opsicle.server.channels.kind import ChannelKind, InboxParts, Reach
from opsicle.server.channels.messages import Transport

_BOT_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{16,100}")


class TelegramConfig(ChatServiceConfig, frozen=True, kw_only=True, tag="telegram"):
    """A bot. The credential is its token; `base_url` leads elsewhere where there is a mirror."""

    base_url: Annotated[
        bounds.Url,
        Meta(title="Address of the API", description="Telegram's own unless told."),
    ] = "https://api.telegram.org"


def _wrong_token(_config: TelegramConfig, token: str) -> str:
    is_one = _BOT_TOKEN.fullmatch(token)
    return "" if is_one else "the credential must be a bot token, as in 123456:ABC-DEF…"


def _open(config: TelegramConfig, token: str) -> Transport:
    from opsicle.server.channels.kinds.telegram.transport import Telegram

    return Telegram(config, token)


def _inbox(parts: InboxParts) -> Inbox:
    from opsicle.server.channels.kinds.telegram.inbox import TelegramInbox

    return TelegramInbox(parts.database, parts.vault, parts.bounds, parts.chats, parts.clock)


KIND = ChannelKind(
    label="Telegram",
    config=TelegramConfig,
    credential="Bot token",
    wrong_credential=_wrong_token,
    reaches=Reach.CHAT,
    open=_open,
    inbox=_inbox,
)
