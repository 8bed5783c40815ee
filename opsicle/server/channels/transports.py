"""Which way out belongs to which kind of channel."""

from __future__ import annotations

from opsicle.domain.channels import Config, EmailConfig, SlackConfig, TelegramConfig
from opsicle.server.channels.kinds.slack.transport import Slack
from opsicle.server.channels.kinds.telegram.transport import Telegram
from opsicle.server.channels.kinds.webhook import Webhook
from opsicle.server.channels.messages import Transport


def open_transport(config: Config, credential: str) -> Transport:
    """The channel, ready to send."""
    if isinstance(config, EmailConfig):
        from opsicle.server.channels.kinds.email import Email  # with `email` and `smtplib`, which few servers need

        return Email(config, credential)
    if isinstance(config, TelegramConfig):
        return Telegram(config, credential)
    if isinstance(config, SlackConfig):
        return Slack(config, credential)
    return Webhook(config, credential)
