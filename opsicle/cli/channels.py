"""`opsicle channels`: how people are told of what needs them, and what went out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from opsicle.cli.input_files import read_start
from opsicle.cli.listing import limit
from opsicle.cli.mfa import totp_option, with_step_up
from opsicle.cli.output import Column, emit, emit_list
from opsicle.cli.root import NounGroup
from opsicle.cli.sessions import connect
from opsicle.cli.terminal import read_password, say
from opsicle.cli.times import PastTime, past_time
from opsicle.client.api import Api
from opsicle.domain.bounds import Settings
from opsicle.domain.channels import MAX_CA_BYTES, DeliveryState
from opsicle.domain.errors import InvalidInput, UsageError
from opsicle.wire.channel_api import (
    Channel,
    ChannelSetting,
    CreateChannelRequest,
    Delivery,
    LinkRequest,
    SetPreferenceRequest,
    UpdateChannelRequest,
)
from opsicle.wire.endpoints import channels as endpoints

_TEST_SECONDS = 30.0
_TEST_POLL_SECONDS = 0.3

_COLUMNS = [
    Column("name", lambda channel: channel.name),
    Column("kind", lambda channel: channel.kind),
    Column("enabled", lambda channel: channel.is_enabled),
    Column("credential", lambda channel: channel.has_credential),
    Column("open deliveries", lambda channel: channel.open_deliveries),
    Column("updated", lambda channel: channel.updated_at),
    Column("updated by", lambda channel: channel.updated_by.email),
]

_KIND_COLUMNS = [
    Column("kind", lambda kind: kind.name),
    Column("called", lambda kind: kind.label),
    Column("settings", lambda kind: ", ".join(_described(setting) for setting in kind.settings)),
    Column("credential", lambda kind: kind.credential),
    Column("decisions", lambda kind: kind.takes_decisions),
]

_DELIVERY_COLUMNS = [
    Column("id", lambda delivery: delivery.id),
    Column("channel", lambda delivery: delivery.channel),
    Column("state", lambda delivery: delivery.state),
    Column("kind", lambda delivery: delivery.kind),
    Column("recipient", lambda delivery: delivery.recipient),
    Column("subject", lambda delivery: delivery.subject),
    Column("attempts", lambda delivery: delivery.attempts),
    Column("next attempt", lambda delivery: delivery.next_attempt_at),
    Column("last error", lambda delivery: delivery.last_error),
    Column("created", lambda delivery: delivery.created_at),
]

settings_option = click.option(
    "--set",
    metavar="KEY=VALUE",
    multiple=True,
    help="One of the kind's settings, as `channels kinds` lists them.",
)
networks_option = click.option(
    "--allow-network",
    metavar="NETWORK",
    multiple=True,
    help="A network that is not public and that the channel may reach, as in 10.0.0.0/8.",
)
ca_option = click.option(
    "--ca-file",
    metavar="F",
    type=Path,
    help="CA certificates (PEM) to trust instead of the system's.",
)
credential_option = click.option(
    "--credential-file",
    metavar="F",
    help="File with the password, token or key, `-` for stdin. "
    "One line break at its end is not part of it.",
)


@click.group(cls=NounGroup)
def channels() -> None:
    """Manage the channels by which people are told of what needs them, as e-mail or a chat."""


@channels.command("list")
@limit
def list_(limit: int | None) -> None:
    """List the org's channels, without their credentials."""
    emit_list(connect().pages(endpoints.LIST_CHANNELS), _COLUMNS, limit=limit)


@channels.command()
def kinds() -> None:
    """List the kinds of channel, with the settings and the credential of each."""
    emit_list(connect().pages(endpoints.LIST_KINDS), _KIND_COLUMNS, limit=None)


@channels.command()
@click.argument("channel")
def show(channel: str) -> None:
    """Show a channel, but not its credential."""
    _emit(connect().call(endpoints.SHOW, channel))


@channels.command()
@click.argument("channel")
@click.option(
    "--kind",
    metavar="KIND",
    required=True,
    help="What kind of channel it is; `channels kinds` lists them.",
)
@settings_option
@networks_option
@ca_option
@credential_option
@click.option("--disabled", is_flag=True, help="Do not use it yet.")
@totp_option
def create(
    channel: str,
    kind: str,
    credential_file: str | None,
    disabled: bool,
    totp: str | None,
    **parts: Any,
) -> None:
    """Make a channel. Its credential is kept encrypted and never shown again."""
    request = CreateChannelRequest(
        name=channel,
        config=_config(connect(), {"kind": kind}, **parts),
        credential=_credential(credential_file) if credential_file else "",
        is_enabled=not disabled,
    )
    _emit(with_step_up(totp, lambda api: api.call(endpoints.CREATE, body=request)))


@channels.command()
@click.argument("channel")
@settings_option
@networks_option
@ca_option
@credential_option
@click.option("--enable/--disable", default=None, help="Whether it is used.")
@totp_option
def update(
    channel: str, credential_file: str | None, enable: bool | None, totp: str | None, **parts: Any
) -> None:
    """Change a channel; what failed through it is tried again at once.

    Where the credential goes (host, URL, CA) changes only together with the credential.
    """
    from msgspec import UNSET

    api, has_changes = connect(), any(parts.values())
    request = UpdateChannelRequest(
        config=_config(api, dict(api.call(endpoints.SHOW, channel).config), **parts)
        if has_changes
        else UNSET,
        credential=_credential(credential_file) if credential_file else UNSET,
        is_enabled=UNSET if enable is None else enable,
    )
    _emit(with_step_up(totp, lambda api: api.call(endpoints.UPDATE, channel, body=request)))


@channels.command()
@click.argument("channel")
@totp_option
def delete(channel: str, totp: str | None) -> None:
    """Remove a channel, and what is still to go out through it."""
    with_step_up(totp, lambda api: api.call(endpoints.DELETE, channel))
    emit({"channel": channel, "is_deleted": True}, [("deleted", channel)])


@channels.command()
@click.argument("channel")
def test(channel: str) -> None:
    """Send yourself a message through a channel, and wait until it is delivered or has failed."""
    api = connect()
    delivery = api.call(endpoints.TEST, channel)
    give_up_at = time.monotonic() + _TEST_SECONDS
    while (
        delivery.state in (DeliveryState.QUEUED, DeliveryState.SENDING)
        and time.monotonic() < give_up_at
    ):
        time.sleep(_TEST_POLL_SECONDS)
        delivery = api.call(endpoints.SHOW_DELIVERY, delivery.id)
    _emit_delivery(delivery)
    if delivery.state != DeliveryState.DELIVERED:
        click.get_current_context().exit(1)


@channels.command()
@click.option("--channel", metavar="NAME", default="", help="Only those through this channel.")
@click.option("--state", metavar="STATE", default="", help="Only those in this state.")
@click.option("--kind", metavar="KIND", default="", help="Only those of this kind of news.")
@click.option("--recipient", metavar="TEXT", default="", help="Only those to such an address.")
@click.option(
    "--since", type=PastTime(), metavar="TIME", help="Only those from this time on: 7d, 2026-03-01."
)
@click.option("--until", type=PastTime(), metavar="TIME", help="Only those from before this time.")
@limit
def deliveries(limit: int | None, since: str | None, until: str | None, **filters: str) -> None:
    """List what went out and what still has to, newest first."""
    query = {**filters, "since": past_time(since), "until": past_time(until)}
    found = connect().pages(endpoints.LIST_DELIVERIES, query=query)
    emit_list(found, _DELIVERY_COLUMNS, limit=limit)


@channels.command()
@click.argument("delivery")
def retry(delivery: str) -> None:
    """Try a delivery that failed, or was given up, again now."""
    _emit_delivery(connect().call(endpoints.RETRY_DELIVERY, delivery))


@channels.command()
def preferences() -> None:
    """List what you are told of, and through which channels."""
    columns = [
        Column("channel", lambda each: each.channel),
        Column("notice", lambda each: each.notice),
        Column("on", lambda each: each.is_on),
    ]
    emit_list(connect().pages(endpoints.LIST_PREFERENCES), columns, limit=None)


@channels.command()
@click.argument("channel")
@click.argument("notice")
@click.option("--on/--off", required=True, help="Whether you are told.")
def prefer(channel: str, notice: str, on: bool) -> None:
    """Choose whether you are told of one kind of thing through a channel."""
    request = SetPreferenceRequest(channel=channel, notice=notice, is_on=on)  # type: ignore[arg-type]
    chosen = connect().call(endpoints.SET_PREFERENCE, body=request)
    emit(chosen, [("channel", chosen.channel), ("notice", chosen.notice), ("on", chosen.is_on)])


@channels.command()
@click.argument("channel")
@totp_option
def link(channel: str, totp: str | None) -> None:
    """Get a one-time code with which you link yourself at a chat channel's bot."""
    made = with_step_up(
        totp, lambda api: api.call(endpoints.MAKE_LINK_CODE, body=LinkRequest(channel=channel))
    )
    emit(made, [("channel", made.channel), ("code", made.code), ("good until", made.expires_at)])
    say(f"Send the channel's bot, in a private chat: link {made.code}")


@channels.command()
def links() -> None:
    """List the org's chat channels, and whether you are linked there."""
    columns = [
        Column("channel", lambda each: each.channel),
        Column("kind", lambda each: each.channel_kind),
        Column("you are", lambda each: each.chat_user),
        Column("linked", lambda each: each.linked_at),
    ]
    emit_list(connect().pages(endpoints.LIST_CHAT_LINKS), columns, limit=None)


@channels.command()
@click.argument("channel")
def unlink(channel: str) -> None:
    """End your link on a chat channel."""
    connect().call(endpoints.DELETE_CHAT_LINK, channel)
    emit({"channel": channel, "is_linked": False}, [("unlinked from", channel)])


def _config(
    api: Api,
    start: dict[str, Any],
    *,
    set: tuple[str, ...],
    allow_network: tuple[str, ...],
    ca_file: Path | None,
) -> Settings:
    """Return settings as typed on the command line, over those there are; the server judges them.

    Raises UsageError or InvalidInput.
    """
    numbers = _integers(api, start["kind"]) if set else frozenset()
    for setting in set:
        name, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting} is not KEY=VALUE")
        start[name] = int(value) if name in numbers and value.isdecimal() else value

    if allow_network:
        start["allow_networks"] = list(allow_network)
    if ca_file:
        try:
            start["ca_pem"] = read_start(ca_file, MAX_CA_BYTES + 1).decode("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"the CA file cannot be read: {ca_file}") from error
    return start


def _integers(api: Api, kind: str) -> frozenset[str]:
    """Return the settings of a kind that are whole numbers; none if there is no such kind."""
    settings = [
        each
        for known in api.pages(endpoints.LIST_KINDS)
        if known.name == kind
        for each in known.settings
    ]
    return frozenset(each.name for each in settings if each.type == "integer")


def _described(setting: ChannelSetting) -> str:
    """Return a setting as a list shows it.

    Its name, and what holds unless told, or that it must be given.
    """
    if setting.is_required:
        return f"{setting.name} (required)"
    return f"{setting.name} ({setting.default})" if setting.default else setting.name


def _credential(path: str) -> str:
    return read_password(path, name="Credential", option="--credential-file")


def _emit(channel: Channel) -> None:
    settings = [(name, value) for name, value in channel.config.items() if name != "kind"]
    emit(channel, [*((column.heading, column.value(channel)) for column in _COLUMNS), *settings])


def _emit_delivery(delivery: Delivery) -> None:
    emit(delivery, [(column.heading, column.value(delivery)) for column in _DELIVERY_COLUMNS])
