"""What the chat services have in common that take messages at an address of one room: send only.

The address is all that it takes to write there, so it is the credential: encrypted, never shown.
"""

from __future__ import annotations

import http
from collections.abc import Callable
from typing import TypeVar

import msgspec

from opsicle.domain.channels import ChannelConfig, wrong_url
from opsicle.server.channels.kind import ChannelKind, Reach
from opsicle.server.channels.messages import Message, Undelivered
from opsicle.version import __version__

C = TypeVar("C", bound=ChannelConfig)

Compose = Callable[[Message], dict[str, object]]
"""Makes a service's JSON of a message; nothing in that may become markup or a mention."""

_AGAIN = frozenset({http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_MANY_REQUESTS})


class IncomingWebhook:
    """One room, ready to be written to."""

    def __init__(self, config: ChannelConfig, url: str, compose: Compose) -> None:
        self._config = config
        self._url = url
        self._compose = compose

    def send(self, message: Message) -> None:
        """Send a message; see `Transport`.

        A redirect is not followed, what is refused is not sent again.
        """
        # Only now, with `ssl`, which a server without channels does not need.
        from opsicle.server.channels.egress import EgressScope, post

        body = msgspec.json.encode(self._compose(message))
        headers = {"Content-Type": "application/json", "User-Agent": f"opsicle/{__version__}"}
        scope = EgressScope(self._config.allow_networks, self._config.ca_pem)
        answer = post(self._url, body, headers, scope)

        if 300 <= answer.status <= 399:
            reason = f"the answer was a redirect ({answer.status}), which is never followed"
            raise Undelivered(reason)
        if not 200 <= answer.status <= 299:
            is_refused = 400 <= answer.status <= 499 and answer.status not in _AGAIN
            raise Undelivered(f"the answer was {answer.status}", is_final=is_refused)


def room_by_webhook(
    *, label: str, config: type[C], credential: str, compose: Compose
) -> ChannelKind[C]:
    """Return a kind of channel that writes to one room at an address, which is its credential."""
    return ChannelKind(
        label=label,
        config=config,
        credential=credential,
        wrong_credential=_wrong_address,
        reaches=Reach.ROOM,
        open=lambda settings, url: IncomingWebhook(settings, url, compose),
    )


def _wrong_address(config: ChannelConfig, url: str) -> str:
    if not url:
        return "the credential must be the webhook's URL"
    return wrong_url(url, config.allow_networks)
