"""The channels of an org, their deliveries, and what people choose to hear of."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from opsicle.domain.access import Action
from opsicle.server.channels.chats import Chats
from opsicle.server.channels.deliveries import Deliveries
from opsicle.server.channels.preferences import Preferences
from opsicle.server.channels.service import Channels
from opsicle.server.http.lists import LISTING, list_reply
from opsicle.server.http.routing import Page, Reply, Request, Route
from opsicle.wire.channel_api import (
    Channel,
    ChatLink,
    CreateChannelRequest,
    Delivery,
    LinkRequest,
    NewLinkCode,
    Preference,
    SetPreferenceRequest,
    UpdateChannelRequest,
)


class ChannelServices(NamedTuple):
    """The services behind these routes."""

    channels: Channels
    deliveries: Deliveries
    preferences: Preferences
    chats: Chats


def routes(channel_services: ChannelServices) -> list[Route]:
    """The routes of channels. `<channel>` is an id or a name."""
    view, manage, use = Action.CHANNELS_VIEW, Action.CHANNELS_MANAGE, Action.ACCOUNT_USE
    channels, every, one = channel_services.channels, "/api/v1/channels", "/api/v1/channels/<channel>"
    deliveries, queue = channel_services.deliveries, "/api/v1/deliveries"
    own, choices = channel_services.preferences, "/api/v1/preferences"
    create_body, update_body, choice = CreateChannelRequest, UpdateChannelRequest, SetPreferenceRequest
    narrowed = {**LISTING, "channel": str, "state": str}
    page = Page[Delivery]
    chats, links = channel_services.chats, "/api/v1/chat-links"
    return [
        Route("GET", every, partial(list_channels, channels), view, query=LISTING, reply=Page[Channel]),
        Route("POST", every, partial(create, channels), manage, body=create_body, reply=Channel, status=201),
        Route("GET", one, partial(show, channels), view, reply=Channel),
        Route("PATCH", one, partial(update, channels), manage, body=update_body, reply=Channel),
        Route("DELETE", one, partial(delete, channels), manage, status=204),
        Route("POST", f"{one}/test", partial(test, channels), manage, reply=Delivery, status=202),
        Route("GET", queue, partial(list_deliveries, deliveries), view, query=narrowed, reply=page),
        Route("GET", f"{queue}/<delivery_id>", partial(show_delivery, deliveries), view, reply=Delivery),
        Route("POST", f"{queue}/<delivery_id>/retry", partial(retry, deliveries), manage, reply=Delivery),
        Route("GET", choices, partial(list_preferences, own), use, reply=Page[Preference]),
        Route("PUT", choices, partial(set_preference, own), use, body=choice, reply=Preference),
        Route("GET", links, partial(list_links, chats), use, reply=Page[ChatLink]),
        Route("POST", links, partial(make_link_code, chats), use, body=LinkRequest, reply=NewLinkCode, status=201),
        Route("DELETE", f"{links}/<channel>", partial(unlink, chats), use, status=204),
    ]


def list_channels(channels: Channels, request: Request) -> Reply:
    """List the org's channels by name, without their credentials."""
    return list_reply(request, channels.list_channels)


def create(channels: Channels, request: Request) -> Reply:
    """Make a channel; its credential is never shown again."""
    return Reply(201, channels.create(request.actor, request.body(CreateChannelRequest)))


def show(channels: Channels, request: Request, channel: str) -> Reply:
    """Show a channel, but not its credential."""
    return Reply(200, channels.get(request.actor, channel))


def update(channels: Channels, request: Request, channel: str) -> Reply:
    """Change a channel's settings, its credential, or whether it is on."""
    return Reply(200, channels.update(request.actor, channel, request.body(UpdateChannelRequest)))


def delete(channels: Channels, request: Request, channel: str) -> Reply:
    """Remove a channel with its deliveries."""
    channels.delete(request.actor, channel)
    return Reply(204)


def test(channels: Channels, request: Request, channel: str) -> Reply:
    """Send the caller a message through a channel."""
    return Reply(202, channels.test(request.actor, channel))


def list_deliveries(deliveries: Deliveries, request: Request) -> Reply:
    """List what went out and what still has to, newest first."""
    wanted = request.query("channel"), request.query("state")
    return list_reply(request, lambda actor, cursor, limit: deliveries.list_deliveries(actor, *wanted, cursor, limit))


def show_delivery(deliveries: Deliveries, request: Request, delivery_id: str) -> Reply:
    """Show one delivery."""
    return Reply(200, deliveries.get(request.actor, delivery_id))


def retry(deliveries: Deliveries, request: Request, delivery_id: str) -> Reply:
    """Try a delivery that failed again now."""
    return Reply(200, deliveries.retry(request.actor, delivery_id))


def list_preferences(preferences: Preferences, request: Request) -> Reply:
    """List what the caller is told of, and through which channels."""
    return Reply(200, Page(preferences.list_own(request.actor)))


def set_preference(preferences: Preferences, request: Request) -> Reply:
    """Choose whether the caller is told of one kind of thing through one channel."""
    return Reply(200, preferences.set_own(request.actor, request.body(SetPreferenceRequest)))


def list_links(chats: Chats, request: Request) -> Reply:
    """List the org's chat channels, and whether the caller is linked there."""
    return Reply(200, Page(chats.list_own(request.actor)))


def make_link_code(chats: Chats, request: Request) -> Reply:
    """Make a one-time code with which the caller links themself at a chat channel's bot."""
    return Reply(201, chats.make_code(request.actor, request.body(LinkRequest).channel))


def unlink(chats: Chats, request: Request, channel: str) -> Reply:
    """End the caller's link on a chat channel."""
    chats.unlink(request.actor, channel)
    return Reply(204)
