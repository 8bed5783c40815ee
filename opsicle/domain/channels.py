"""The channels of an org: what the settings of all kinds have in common, and what can be wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from opsicle.domain.bounds import Networks, Pem, Url
from opsicle.domain.errors import Problem
from opsicle.domain.networks import parse_network

CHANNEL_NAME = re.compile(r"[a-z0-9-]{1,63}")
CHANNEL_NAME_RULE = "1 to 63 of the characters a-z, 0-9 and `-`"

MAX_CA_BYTES = 64 * 1024
MAX_CREDENTIAL_BYTES = 4096
MAX_URL_CHARACTERS = 2000

_URL = "https://host/path"
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252})")


class DeliveryState(StrEnum):
    """How far a delivery is.

    `failed` waits for its next attempt; nothing but a person leads on from `gave_up`.
    """

    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    GAVE_UP = "gave_up"


class ChannelConfig(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True
):
    """The settings that every kind has.

    A kind's own struct adds its fields, with title and description.

    `allow_networks` are networks that are not public and yet may be reached, `ca_pem` a CA to trust
    instead of the system's.
    """

    allow_networks: Networks = ()
    ca_pem: Pem = ""

    @property
    def kind(self) -> str:
        """The kind of channel, as it stands in the JSON."""
        return str(self.__struct_config__.tag)

    def destination(self) -> tuple[object, ...]:
        """Return where a credential goes, and what vouches for it that it goes there."""
        return (self.ca_pem,)

    def problems(self) -> Iterator[Problem]:
        """Yield everything that is wrong with the settings, each with its place."""
        for i, network in enumerate(self.allow_networks):
            try:
                parse_network(network)
            except ValueError:
                yield Problem(f"config.allow_networks[{i}]", "this is no network, as in 10.0.0.0/8")
        if self.ca_pem and (
            "BEGIN CERTIFICATE" not in self.ca_pem or len(self.ca_pem) > MAX_CA_BYTES
        ):
            yield Problem("config.ca_pem", "this holds no certificate in PEM")


class ChatServiceConfig(ChannelConfig, frozen=True, kw_only=True):
    """The settings of a chat service with an API.

    `base_url` is where that API is, or a mirror of it.
    """

    base_url: Url

    def destination(self) -> tuple[object, ...]:
        """See `ChannelConfig`."""
        return (self.base_url, self.ca_pem)

    def problems(self) -> Iterator[Problem]:
        """See `ChannelConfig`."""
        if wrong := wrong_url(self.base_url, self.allow_networks):
            yield Problem("config.base_url", wrong)
        yield from super().problems()


def is_host(text: str) -> bool:
    """Return whether this can be a DNS name or an IP address."""
    return _HOST.fullmatch(text) is not None


def wrong_url(url: str, allow_networks: tuple[str, ...]) -> str:
    """Return why this is no address to send to, "" if it is one; the text never quotes it."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname and is_host(parts.hostname)) and parts.port != 0
    except ValueError:
        return "the URL cannot be read"

    if (
        parts.scheme not in ("https", "http")
        or not is_whole
        or not url.isascii()
        or not url.isprintable()
    ):
        return f"the URL must be one as {_URL}"
    if parts.username is not None or parts.fragment or " " in url or len(url) > MAX_URL_CHARACTERS:
        return (
            "the URL must have no user, no fragment, no spaces "
            f"and at most {MAX_URL_CHARACTERS} characters"
        )
    if parts.scheme == "http" and not allow_networks:
        return "without TLS it may only lead into a network that `allow_networks` names"
    return ""
