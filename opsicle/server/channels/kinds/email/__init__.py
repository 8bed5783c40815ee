"""E-mail through an SMTP server, to the addresses of people's accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta

from opsicle.domain import bounds
from opsicle.domain.channels import ChannelConfig, is_host
from opsicle.domain.errors import Problem
from opsicle.domain.names import has_control_characters
from opsicle.server.channels.kind import ChannelKind, Reach
from opsicle.server.channels.messages import Transport

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,189}")
_MAX_PORT = 65535
_MAX_USERNAME_CHARACTERS = 320


class EmailConfig(ChannelConfig, frozen=True, kw_only=True, tag="email"):
    """An SMTP server. The credential is the password of `username`; there is no way without TLS."""

    host: Annotated[bounds.Name, Meta(title="Mail server")]
    port: Annotated[int, Meta(title="Port")] = 587
    security: Annotated[
        Literal["starttls", "tls"],
        Meta(title="Security", description="587 speaks STARTTLS; 465 TLS from the first byte."),
    ] = "starttls"
    sender: Annotated[bounds.Name, Meta(title="Sender", description="As in opsicle@example.com.")]
    username: Annotated[bounds.Email, Meta(title="Username")] = ""

    def destination(self) -> tuple[object, ...]:
        """See `ChannelConfig`."""
        return (self.host, self.port, self.security, self.username, self.ca_pem)

    def problems(self) -> Iterator[Problem]:
        """See `ChannelConfig`."""
        if not is_host(self.host):
            yield Problem("config.host", "the host must be a DNS name or an IP address")
        if not 1 <= self.port <= _MAX_PORT:
            yield Problem("config.port", f"the port must be from 1 to {_MAX_PORT}")
        if not _ADDRESS.fullmatch(self.sender):
            yield Problem(
                "config.sender", "the sender must be an e-mail address, as in opsicle@example.com"
            )

        if (
            len(self.username) > _MAX_USERNAME_CHARACTERS
            or not self.username.isascii()
            or has_control_characters(self.username)
        ):
            yield Problem("config.username", "the username must be one line of ASCII characters")
        yield from super().problems()


def _wrong_password(config: EmailConfig, password: str) -> str:
    if config.username and not password:
        return "a username needs a password"
    if password and not config.username:
        return "a password needs a username"
    return ""


def _open(config: EmailConfig, password: str) -> Transport:
    # Only now, with `email` and `smtplib`, which few servers need.
    from opsicle.server.channels.kinds.email.transport import Email

    return Email(config, password)


KIND = ChannelKind(
    label="E-mail",
    config=EmailConfig,
    credential="Password",
    wrong_credential=_wrong_password,
    reaches=Reach.ADDRESS,
    open=_open,
)
