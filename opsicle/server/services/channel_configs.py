"""A channel's settings as they stand in its row."""

from __future__ import annotations

from typing import cast

from opsicle.domain import stored_json
from opsicle.domain.channels import (
    EMAIL,
    SLACK,
    WEBHOOK,
    Config,
    EmailConfig,
    SlackConfig,
    TelegramConfig,
    WebhookConfig,
)
from opsicle.domain.stored_json import CANNOT_BE_READ
from opsicle.server.store.channels import ChannelRow


def config_of(row: ChannelRow) -> Config:
    """The settings. Raises Unreadable."""
    return stored_json.read(row.config, cast("type[Config]", Config), f"the channel {row.name}")


def shown_config(row: ChannelRow) -> Config:
    """The settings, for showing them; where they cannot be read they say so in the place of the address."""
    return stored_json.read_or(row.config, cast("type[Config]", Config), _said_of(row.kind))


def _said_of(kind: str) -> Config:
    if kind == EMAIL:
        return EmailConfig(host=CANNOT_BE_READ, sender=CANNOT_BE_READ)
    if kind == WEBHOOK:
        return WebhookConfig(url=CANNOT_BE_READ)
    return SlackConfig(base_url=CANNOT_BE_READ) if kind == SLACK else TelegramConfig(base_url=CANNOT_BE_READ)
