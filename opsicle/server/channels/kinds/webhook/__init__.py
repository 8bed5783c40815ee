"""A webhook: a program of the org's own that is sent every notice, signed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from opsicle.domain import bounds
from opsicle.domain.channels import ChannelConfig, wrong_url
from opsicle.domain.errors import Problem
from opsicle.server.channels.kind import ChannelKind, Reach
from opsicle.server.channels.messages import Transport

MIN_KEY_BYTES = 16
"""128 bits, if they are random: what a signature can be worth at most."""


class WebhookConfig(ChannelConfig, frozen=True, kw_only=True, tag="webhook"):
    """An address that is sent every notice. The credential is the key that signs."""

    url: Annotated[bounds.Url, Meta(title="URL", description="As in https://hooks.example.com/.")]

    def destination(self) -> tuple[object, ...]:
        """See `ChannelConfig`."""
        return (self.url, self.ca_pem)

    def problems(self) -> Iterator[Problem]:
        """See `ChannelConfig`."""
        if wrong := wrong_url(self.url, self.allow_networks):
            yield Problem("config.url", wrong)
        yield from super().problems()


def _wrong_key(_config: WebhookConfig, key: str) -> str:
    is_long_enough = len(key) >= MIN_KEY_BYTES
    return "" if is_long_enough else f"the key that signs must have at least {MIN_KEY_BYTES} bytes"


def _open(config: WebhookConfig, key: str) -> Transport:
    from opsicle.server.channels.kinds.webhook.transport import Webhook

    return Webhook(config, key)


KIND = ChannelKind(
    label="Webhook",
    config=WebhookConfig,
    credential="Key that signs",
    wrong_credential=_wrong_key,
    reaches=Reach.RECEIVER,
    open=_open,
)
