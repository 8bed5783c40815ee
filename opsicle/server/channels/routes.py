"""The channels of an org, their deliveries, and what people choose to hear of."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from opsicle.domain.access import Action
from opsicle.kit.ids import lowest_id
from opsicle.server.channels.chats import Chats
from opsicle.server.channels.deliveries import Deliveries
from opsicle.server.channels.preferences import Preferences
from opsicle.server.channels.service import Channels
from opsicle.server.http.lists import list_reply, newest_before
from opsicle.server.http.routing import Page, Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.wire.channel_api import (
    LinkRequest,
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
        serve(endpoints.LIST_CHANNELS, channels.list_channels, view),
        serve(endpoints.CREATE, channels.create, manage),
        serve(endpoints.SHOW, channels.get, view),
        serve(endpoints.UPDATE, channels.update, manage),
        serve(endpoints.DELETE, channels.delete, manage),
        serve(endpoints.TEST, channels.test, manage),
        Route(endpoints.LIST_DELIVERIES, partial(list_deliveries, deliveries), view),
        serve(endpoints.SHOW_DELIVERY, deliveries.get, view),
        serve(endpoints.RETRY_DELIVERY, deliveries.retry, manage),
        Route(endpoints.LIST_PREFERENCES, partial(list_preferences, own), use),
        serve(endpoints.SET_PREFERENCE, own.set_own, use),
        Route(endpoints.LIST_CHAT_LINKS, partial(list_chat_links, chats), use),
        Route(endpoints.MAKE_LINK_CODE, partial(make_link_code, chats), use),
        serve(endpoints.DELETE_CHAT_LINK, chats.unlink, use),
    ]


def list_kinds(channels: Channels, request: Request) -> Reply:
    """List the kinds of channel, with what each needs to be told."""
    return Reply(200, Page(channels.list_kinds(request.actor)))


def list_deliveries(deliveries: Deliveries, request: Request) -> Reply:
    """List what went out and what still has to, newest first.

    `recipient` is a part of an address, `since` and `until` times as RFC 3339 has them, or dates in
    UTC.
    """
    channel, state = request.query("channel"), request.query("state")
    since, until = request.query_time("since"), request.query_time("until")
    more = request.query("kind"), request.query("recipient"), lowest_id(since) if since else ""
    return list_reply(
        request,
        lambda actor, cursor, limit: deliveries.list_deliveries(
            actor, channel, state, newest_before(cursor, until), limit, *more
        ),
    )


def list_preferences(preferences: Preferences, request: Request) -> Reply:
    """List what the caller is told of, and through which channels."""
    return Reply(200, Page(preferences.list_own(request.actor)))


def list_chat_links(chats: Chats, request: Request) -> Reply:
    """List the org's chat channels, and whether the caller is linked there."""
    return Reply(200, Page(chats.list_own(request.actor)))


def make_link_code(chats: Chats, request: Request) -> Reply:
    """Make a one-time code with which the caller links themself at a chat channel's bot."""
    return Reply(201, chats.make_code(request.actor, request.body(LinkRequest).channel))
