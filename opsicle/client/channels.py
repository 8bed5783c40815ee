"""Calls about channels, deliveries, and what the caller is told by which channel."""

from __future__ import annotations

from collections.abc import Iterator

from opsicle.client.calls import Calls
from opsicle.wire import channel_api as wire
from opsicle.wire.endpoints import channels as endpoints


class ChannelCalls(Calls):
    """Channels, for those who mind them and those who are told something by them."""

    def channels(self) -> Iterator[wire.Channel]:
        """Yield the org's channels, without their credentials."""
        return self._pages(endpoints.LIST_CHANNELS)

    def channel_kinds(self) -> Iterator[wire.ChannelKindSummary]:
        """Yield the kinds of channel that the server knows."""
        return self._pages(endpoints.LIST_KINDS)

    def channel(self, name: str) -> wire.Channel:
        """Return one channel, without its credential."""
        return self._call(endpoints.SHOW, name)

    def create_channel(self, request: wire.CreateChannelRequest) -> wire.Channel:
        """Make a channel."""
        return self._call(endpoints.CREATE, body=request)

    def update_channel(self, name: str, request: wire.UpdateChannelRequest) -> wire.Channel:
        """Change what is given of a channel."""
        return self._call(endpoints.UPDATE, name, body=request)

    def delete_channel(self, name: str) -> None:
        """Remove a channel."""
        self._call(endpoints.DELETE, name)

    def test_channel(self, name: str) -> wire.Delivery:
        """Queue a message to the caller."""
        return self._call(endpoints.TEST, name)

    def deliveries(self, *, channel: str = "", state: str = "") -> Iterator[wire.Delivery]:
        """Yield what went out and what still has to, newest first."""
        return self._pages(endpoints.LIST_DELIVERIES, query={"channel": channel, "state": state})

    def delivery(self, delivery_id: str) -> wire.Delivery:
        """Return one delivery."""
        return self._call(endpoints.SHOW_DELIVERY, delivery_id)

    def retry_delivery(self, delivery_id: str) -> wire.Delivery:
        """Let a delivery that failed be tried again now."""
        return self._call(endpoints.RETRY_DELIVERY, delivery_id)

    def preferences(self) -> Iterator[wire.Preference]:
        """Yield what the caller is told of, and through which channels."""
        return self._pages(endpoints.LIST_PREFERENCES)

    def set_preference(self, request: wire.SetPreferenceRequest) -> wire.Preference:
        """Choose what the caller is told of."""
        return self._call(endpoints.SET_PREFERENCE, body=request)

    def chat_links(self) -> Iterator[wire.ChatLink]:
        """Yield the org's chat channels, and whether the caller is linked there."""
        return self._pages(endpoints.LIST_CHAT_LINKS)

    def make_link_code(self, channel: str) -> wire.NewLinkCode:
        """Make a one-time code for a channel's bot."""
        return self._call(endpoints.MAKE_LINK_CODE, body=wire.LinkRequest(channel=channel))

    def unlink(self, channel: str) -> None:
        """End the caller's link on a channel."""
        self._call(endpoints.DELETE_CHAT_LINK, channel)
