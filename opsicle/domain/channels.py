"""The channels of an org: what each kind needs to know, and what can be wrong with that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar, Literal
from urllib.parse import urlsplit

import msgspec

from opsicle.domain.bounds import Email, Name, Networks, Pem, Url
from opsicle.domain.errors import Problem
from opsicle.domain.names import has_control_characters
from opsicle.domain.networks import parse_network

CHANNEL_NAME = re.compile(r"[a-z0-9-]{1,63}")
CHANNEL_NAME_RULE = "1 to 63 of the characters a-z, 0-9 and `-`"

EMAIL, WEBHOOK, TELEGRAM, SLACK = "email", "webhook", "telegram", "slack"
CHATS = frozenset({TELEGRAM, SLACK})
"""Kinds whose users are linked to accounts."""


MAX_CA_BYTES = 64 * 1024
MAX_CREDENTIAL_BYTES = 4096
MIN_WEBHOOK_KEY_BYTES = 16
"""128 bits, if they are random: what a signature can be worth at most."""

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252})")
_BOT_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{16,100}")
_SLACK_TOKENS = re.compile(r"xapp-[A-Za-z0-9-]{8,250} xoxb-[A-Za-z0-9-]{8,250}")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}")


class DeliveryState(StrEnum):
    """How far a delivery is. `failed` waits for its next attempt; nothing but a person leads on from `gave_up`."""

    QUEUED = "queued"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    GAVE_UP = "gave_up"


class _Config(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """What all kinds have: networks that are not public and yet may be reached, and a CA (PEM) to trust instead."""

    allow_networks: Networks = ()
    ca_pem: Pem = ""


class EmailConfig(_Config, frozen=True, kw_only=True, tag=EMAIL):
    """An SMTP server. The credential is the password of `username`; there is no way without TLS."""

    kind: ClassVar[str] = EMAIL
    host: Name
    sender: Name
    port: int = 587
    security: Literal["starttls", "tls"] = "starttls"
    username: Email = ""


class WebhookConfig(_Config, frozen=True, kw_only=True, tag=WEBHOOK):
    """An address that is sent every notice. The credential is the key that signs."""

    kind: ClassVar[str] = WEBHOOK
    url: Url


class TelegramConfig(_Config, frozen=True, kw_only=True, tag=TELEGRAM):
    """A Telegram bot. The credential is its token; `base_url` leads elsewhere where there is a mirror of the API."""

    kind: ClassVar[str] = TELEGRAM
    base_url: Url = "https://api.telegram.org"


class SlackConfig(_Config, frozen=True, kw_only=True, tag=SLACK):
    """A Slack app in Socket Mode. The credential is its app token and its bot token, with a space between them."""

    kind: ClassVar[str] = SLACK
    base_url: Url = "https://slack.com/api"


Config = EmailConfig | WebhookConfig | TelegramConfig | SlackConfig


def destination(config: Config) -> tuple[object, ...]:
    """Where a credential goes, and what vouches for it that it goes there."""
    if isinstance(config, EmailConfig):
        return (config.host, config.port, config.security, config.username, config.ca_pem)
    return (_url_of(config), config.ca_pem)


def problems_of(config: Config) -> tuple[Problem, ...]:
    """Everything that is wrong with a channel's settings."""
    own = _email_problems(config) if isinstance(config, EmailConfig) else _url_problems(config)
    return (*own, *_network_problems(config))


def wrong_credential(config: Config, credential: str) -> str:
    """Why this can be no credential of such a channel, "" if it can. The answer never quotes it."""
    if not credential.isascii() or has_control_characters(credential):
        return "the credential must be one line of ASCII characters"
    if len(credential) > MAX_CREDENTIAL_BYTES:
        return f"the credential has more than {MAX_CREDENTIAL_BYTES} bytes"
    if isinstance(config, EmailConfig):
        return _wrong_password(config, credential)
    if isinstance(config, TelegramConfig):
        return "" if _BOT_TOKEN.fullmatch(credential) else "the credential must be a bot token, as in 123456:ABC-DEF…"
    if isinstance(config, SlackConfig):
        return "" if _SLACK_TOKENS.fullmatch(credential) else "the credential must be both tokens: xapp-… xoxb-…"
    if len(credential) < MIN_WEBHOOK_KEY_BYTES:
        return f"the key that signs must have at least {MIN_WEBHOOK_KEY_BYTES} bytes"
    return ""


def _wrong_password(config: EmailConfig, credential: str) -> str:
    if config.username and not credential:
        return "a username needs a password"
    if credential and not config.username:
        return "a password needs a username"
    return ""


def _email_problems(config: EmailConfig) -> Iterator[Problem]:
    if not _HOST.fullmatch(config.host):
        yield Problem("config.host", "the host must be a DNS name or an IP address")
    if not 1 <= config.port <= 65535:
        yield Problem("config.port", "the port must be from 1 to 65535")
    if not _ADDRESS.fullmatch(config.sender):
        yield Problem("config.sender", "the sender must be an e-mail address, as in opsicle@example.com")
    if len(config.username) > 320 or not config.username.isascii() or has_control_characters(config.username):
        yield Problem("config.username", "the username must be one line of ASCII characters")


def _url_of(config: WebhookConfig | TelegramConfig | SlackConfig) -> str:
    return config.url if isinstance(config, WebhookConfig) else config.base_url


def _url_problems(config: WebhookConfig | TelegramConfig | SlackConfig) -> Iterator[Problem]:
    if wrong := wrong_url(_url_of(config), config.allow_networks):
        yield Problem("config.url" if isinstance(config, WebhookConfig) else "config.base_url", wrong)


def wrong_url(url: str, allow_networks: tuple[str, ...]) -> str:
    """Why this is no address to send to, "" if it is one."""
    try:
        parts = urlsplit(url)
        is_whole = bool(parts.hostname and _HOST.fullmatch(parts.hostname)) and parts.port != 0
    except ValueError:
        return "the URL cannot be read"
    if parts.scheme not in ("https", "http") or not is_whole or not url.isascii() or not url.isprintable():
        return "the URL must be one as https://host/path"
    if parts.username is not None or parts.fragment or " " in url or len(url) > 2000:
        return "the URL must have no user, no fragment, no spaces and at most 2000 characters"
    if parts.scheme == "http" and not allow_networks:
        return "without TLS it may only lead into a network that `allow_networks` names"
    return ""


def _network_problems(config: Config) -> Iterator[Problem]:
    for i, network in enumerate(config.allow_networks):
        try:
            parse_network(network)
        except ValueError:
            yield Problem(f"config.allow_networks[{i}]", "this is no network, as in 10.0.0.0/8")
    if config.ca_pem and ("BEGIN CERTIFICATE" not in config.ca_pem or len(config.ca_pem) > MAX_CA_BYTES):
        yield Problem("config.ca_pem", "this holds no certificate in PEM")
