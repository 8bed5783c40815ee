"""Which way out belongs to which kind of channel."""

from __future__ import annotations

from opsicle.domain.channels import Config, EmailConfig, SlackConfig, TelegramConfig
from opsicle.server.approver.messages import Transport
from opsicle.server.approver.slack import Slack
from opsicle.server.approver.telegram import Telegram
from opsicle.server.approver.webhook import Webhook


def open_transport(config: Config, credential: str) -> Transport:
    """The channel, ready to send."""
    if isinstance(config, EmailConfig):
        from opsicle.server.approver.email import Email  # with `email` and `smtplib`, which few servers need

        return Email(config, credential)
    if isinstance(config, TelegramConfig):
        return Telegram(config, credential)
    if isinstance(config, SlackConfig):
        return Slack(config, credential)
    return Webhook(config, credential)
