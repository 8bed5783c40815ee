"""Endpoints of channels, of deliveries, and of what people want to be told by which channel."""

from __future__ import annotations

from opsicle.wire.channel_api import (
    Channel,
    ChannelKindSummary,
    ChatLink,
    CreateChannelRequest,
    Delivery,
    LinkRequest,
    NewLinkCode,
    Preference,
    SetPreferenceRequest,
    UpdateChannelRequest,
)
from opsicle.wire.endpoint import PAGE, Endpoint
from opsicle.wire.pages import Page

LIST_KINDS = Endpoint("GET", "/api/v1/channel-kinds", reply=Page[ChannelKindSummary])
LIST_CHANNELS = Endpoint(
    "GET",
    "/api/v1/channels",
    reply=Page[Channel],
    query=PAGE,
    description="List the org's channels by name, without their credentials.",
)
CREATE = Endpoint(
    "POST",
    "/api/v1/channels",
    body=CreateChannelRequest,
    reply=Channel,
    status=201,
    description="Make a channel; its credential is never shown again.",
)
SHOW = Endpoint(
    "GET",
    "/api/v1/channels/<channel>",
    reply=Channel,
    description="Show a channel, but not its credential.",
)
UPDATE = Endpoint(
    "PATCH",
    "/api/v1/channels/<channel>",
    body=UpdateChannelRequest,
    reply=Channel,
    description="Change a channel's settings, its credential, or whether it is on.",
)
DELETE = Endpoint[None](
    "DELETE",
    "/api/v1/channels/<channel>",
    status=204,
    description="Remove a channel with its deliveries.",
)
TEST = Endpoint(
    "POST",
    "/api/v1/channels/<channel>/test",
    reply=Delivery,
    status=202,
    description="Send the caller a message through a channel.",
)
LIST_DELIVERIES = Endpoint(
    "GET",
    "/api/v1/deliveries",
    reply=Page[Delivery],
    query=PAGE
    | {"channel": str, "state": str, "kind": str, "recipient": str, "since": str, "until": str},
)
SHOW_DELIVERY = Endpoint(
    "GET",
    "/api/v1/deliveries/<delivery_id>",
    reply=Delivery,
    description="Show one delivery.",
)
RETRY_DELIVERY = Endpoint(
    "POST",
    "/api/v1/deliveries/<delivery_id>/retry",
    reply=Delivery,
    description="Try a delivery that failed again now.",
)
LIST_PREFERENCES = Endpoint("GET", "/api/v1/preferences", reply=Page[Preference])
SET_PREFERENCE = Endpoint(
    "PUT",
    "/api/v1/preferences",
    body=SetPreferenceRequest,
    reply=Preference,
    description="Choose whether the caller is told of one kind of thing through one channel.",
)
LIST_CHAT_LINKS = Endpoint("GET", "/api/v1/chat-links", reply=Page[ChatLink])
MAKE_LINK_CODE = Endpoint(
    "POST", "/api/v1/chat-links", body=LinkRequest, reply=NewLinkCode, status=201
)
DELETE_CHAT_LINK = Endpoint[None](
    "DELETE",
    "/api/v1/chat-links/<channel>",
    status=204,
    description="End the caller's link on a chat channel.",
)
