"""The server's routes of channels as functions; see `api.py`."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

from opsicle.client.api import Api
from opsicle.client.calls import part
from opsicle.wire import channel_api as wire

_LINKS = "/api/v1/chat-links"
_CHANNELS, _DELIVERIES, _PREFERENCES = "/api/v1/channels", "/api/v1/deliveries", "/api/v1/preferences"


class ChannelApi(Api):
    """One server, as one caller sees it who minds its channels."""

    def channels(self) -> Iterator[wire.Channel]:
        """The org's channels, without their credentials."""
        return self._pages(_CHANNELS, wire.Channel)

    def channel(self, name: str) -> wire.Channel:
        """One channel, without its credential."""
        return self._get(_channel(name), wire.Channel)

    def create_channel(self, request: wire.CreateChannelRequest) -> wire.Channel:
        """Make a channel."""
        return self._post(_CHANNELS, request, wire.Channel)

    def update_channel(self, name: str, request: wire.UpdateChannelRequest) -> wire.Channel:
        """Change what is given of a channel."""
        return self._send("PATCH", _channel(name), request, wire.Channel)

    def delete_channel(self, name: str) -> None:
        """Remove a channel."""
        self._tell("DELETE", _channel(name))

    def test_channel(self, name: str) -> wire.Delivery:
        """Queue a message to the caller."""
        return self._post(f"{_channel(name)}/test", None, wire.Delivery)

    def deliveries(self, *, channel: str = "", state: str = "") -> Iterator[wire.Delivery]:
        """What went out and what still has to, newest first."""
        query = urlencode({key: value for key, value in (("channel", channel), ("state", state)) if value})
        return self._pages(_DELIVERIES, wire.Delivery, query)

    def delivery(self, delivery_id: str) -> wire.Delivery:
        """One delivery."""
        return self._get(f"{_DELIVERIES}/{part(delivery_id)}", wire.Delivery)

    def retry_delivery(self, delivery_id: str) -> wire.Delivery:
        """Let a delivery that failed be tried again now."""
        return self._post(f"{_DELIVERIES}/{part(delivery_id)}/retry", None, wire.Delivery)

    def preferences(self) -> Iterator[wire.Preference]:
        """What the caller is told of, and through which channels."""
        return self._pages(_PREFERENCES, wire.Preference)

    def set_preference(self, request: wire.SetPreferenceRequest) -> wire.Preference:
        """Choose what the caller is told of."""
        return self._send("PUT", _PREFERENCES, request, wire.Preference)

    def chat_links(self) -> Iterator[wire.ChatLink]:
        """The org's chat channels, and whether the caller is linked there."""
        return self._pages(_LINKS, wire.ChatLink)

    def make_link_code(self, channel: str) -> wire.NewLinkCode:
        """A one-time code for a channel's bot."""
        return self._post(_LINKS, wire.LinkRequest(channel=channel), wire.NewLinkCode)

    def unlink(self, channel: str) -> None:
        """End the caller's link on a channel."""
        self._tell("DELETE", f"{_LINKS}/{part(channel)}")


def _channel(name: str) -> str:
    return f"{_CHANNELS}/{part(name)}"
