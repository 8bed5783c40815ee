"""Which way out belongs to which kind of channel."""

from __future__ import annotations

from opsicle.domain.channels import Config, EmailConfig
from opsicle.server.approver.email import Email
from opsicle.server.approver.messages import Transport
from opsicle.server.approver.webhook import Webhook


def open_transport(config: Config, credential: str) -> Transport:
    """The channel, ready to send."""
    if isinstance(config, EmailConfig):
        return Email(config, credential)
    return Webhook(config, credential)
