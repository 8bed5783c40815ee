"""An outgoing webhook: one signed POST per message.

Opsicle-Delivery:  the message's id, the same over all attempts
Opsicle-Timestamp: seconds since 1970, when this attempt began
Opsicle-Signature: v1=<hex of HMAC-SHA256 over timestamp + "." + body>
"""

from __future__ import annotations

import hashlib
import hmac
import time

import msgspec

from opsicle.server.channels.egress import EgressScope, post
from opsicle.server.channels.kinds.webhook import WebhookConfig
from opsicle.server.channels.messages import Message, Undelivered
from opsicle.version import __version__


class Webhook:
    """Sends each message as JSON."""

    def __init__(self, config: WebhookConfig, key: str) -> None:
        self._config = config
        self._key = key
        self._reach = EgressScope(config.allow_networks, config.ca_pem)

    def send(self, message: Message) -> None:
        """Send a message; see `Transport`.

        Any status from 200 to 299 means that it was taken; a redirect is not followed.
        """
        body = msgspec.json.encode(body_of(message))
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"opsicle/{__version__}",
            "Opsicle-Delivery": message.id,
            "Opsicle-Timestamp": timestamp,
            "Opsicle-Signature": signature(self._key, timestamp, body),
        }
        answer = post(self._config.url, body, headers, self._reach)

        if 300 <= answer.status <= 399:
            raise Undelivered(
                f"the answer was a redirect ({answer.status}), which is never followed"
            )
        if not 200 <= answer.status <= 299:
            raise Undelivered(f"the answer was {answer.status}")


def signature(key: str, timestamp: str, body: bytes) -> str:
    """Return what stands in `Opsicle-Signature`."""
    return (
        "v1=" + hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    )


def body_of(message: Message) -> dict[str, object]:
    """Return the message as receivers get it."""
    return {
        "id": message.id,
        "kind": message.kind,
        "org": message.org,
        "subject": message.subject,
        "facts": message.facts,
        "url": message.url,
        "approval": message.approval_id or None,
        "automation": message.automation_id or None,
        "at": message.at,
    }
