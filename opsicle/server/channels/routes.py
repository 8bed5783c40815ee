"""The channels of an org, their deliveries, and what people choose to hear of."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from opsicle.domain.access import Action
from opsicle.server.channels.chats import Chats
from opsicle.server.channels.deliveries import Deliveries
from opsicle.server.channels.preferences import Preferences
from opsicle.server.channels.service import Channels
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Page, Reply, Request, Route
from opsicle.wire.channel_api import (
    CreateChannelRequest,
    LinkRequest,
    SetPreferenceRequest,
    UpdateChannelRequest,
)
from opsicle.wire.endpoints import channels as endpoints


class ChannelServices(NamedTuple):
    """The services behind these routes."""

    channels: Channels
    deliveries: Deliveries
    preferences: Preferences
    chats: Chats


def routes(channel_services: ChannelServices) -> list[Route]:
    """Return the routes of channels. `<channel>` is an id or a name."""
    view, manage, use = Action.CHANNELS_VIEW, Action.CHANNELS_MANAGE, Action.ACCOUNT_USE
    channels = channel_services.channels
    deliveries = channel_services.deliveries
    own = channel_services.preferences
    chats = channel_services.chats

    return [
        Route(endpoints.LIST_KINDS, partial(list_kinds, channels), view),
        Route(endpoints.LIST_CHANNELS, partial(list_channels, channels), view),
        Route(endpoints.CREATE, partial(create, channels), manage),
        Route(endpoints.SHOW, partial(show, channels), view),
        Route(endpoints.UPDATE, partial(update, channels), manage),
        Route(endpoints.DELETE, partial(delete, channels), manage),
        Route(endpoints.TEST, partial(test, channels), manage),
        Route(endpoints.LIST_DELIVERIES, partial(list_deliveries, deliveries), view),
        Route(endpoints.SHOW_DELIVERY, partial(show_delivery, deliveries), view),
        Route(endpoints.RETRY_DELIVERY, partial(retry_delivery, deliveries), manage),
        Route(endpoints.LIST_PREFERENCES, partial(list_preferences, own), use),
        Route(endpoints.SET_PREFERENCE, partial(set_preference, own), use),
        Route(endpoints.LIST_CHAT_LINKS, partial(list_chat_links, chats), use),
        Route(endpoints.MAKE_LINK_CODE, partial(make_link_code, chats), use),
        Route(endpoints.DELETE_CHAT_LINK, partial(delete_chat_link, chats), use),
    ]


def list_kinds(channels: Channels, request: Request) -> Reply:
    """List the kinds of channel, with what each needs to be told."""
    return Reply(200, Page(channels.list_kinds(request.actor)))


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
    return list_reply(
        request,
        lambda actor, cursor, limit: deliveries.list_deliveries(actor, *wanted, cursor, limit),
    )


def show_delivery(deliveries: Deliveries, request: Request, delivery_id: str) -> Reply:
    """Show one delivery."""
    return Reply(200, deliveries.get(request.actor, delivery_id))


def retry_delivery(deliveries: Deliveries, request: Request, delivery_id: str) -> Reply:
    """Try a delivery that failed again now."""
    return Reply(200, deliveries.retry(request.actor, delivery_id))


def list_preferences(preferences: Preferences, request: Request) -> Reply:
    """List what the caller is told of, and through which channels."""
    return Reply(200, Page(preferences.list_own(request.actor)))


def set_preference(preferences: Preferences, request: Request) -> Reply:
    """Choose whether the caller is told of one kind of thing through one channel."""
    return Reply(200, preferences.set_own(request.actor, request.body(SetPreferenceRequest)))


def list_chat_links(chats: Chats, request: Request) -> Reply:
    """List the org's chat channels, and whether the caller is linked there."""
    return Reply(200, Page(chats.list_own(request.actor)))


def make_link_code(chats: Chats, request: Request) -> Reply:
    """Make a one-time code with which the caller links themself at a chat channel's bot."""
    return Reply(201, chats.make_code(request.actor, request.body(LinkRequest).channel))


def delete_chat_link(chats: Chats, request: Request, channel: str) -> Reply:
    """End the caller's link on a chat channel."""
    chats.unlink(request.actor, channel)
    return Reply(204)
