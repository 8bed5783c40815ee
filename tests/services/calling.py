"""A trigger in an org, and senders who call it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field

from opsicle.server.access.actor import Actor
from opsicle.server.triggers.calls import IncomingCall
from opsicle.wire.trigger_api import HookReply, TriggerCall, TriggerPushed
from tests.services.core import Core


def trigger_source(*lines: str, name: str = "disk-full", template: str = "hello") -> str:
    """Return a document; `lines` are further ones of its spec."""
    more = "".join(f"  {line}\n" for line in lines)
    return (
        f"apiVersion: v1\ntype: Trigger\nmetadata: {{name: {name}}}\n"
        f"spec:\n  template: {template}\n{more}"
    )


def push_trigger(core: Core, actor: Actor, *lines: str, **names: str) -> TriggerPushed:
    return core.services.triggers.push(actor, trigger_source(*lines, **names))


def calls_of(core: Core, actor: Actor, name: str = "disk-full") -> list[TriggerCall]:
    return core.services.triggers.list_calls(actor, name, "", 100).items


def hex_hmac(key: str, content: bytes) -> str:
    return hmac.new(key.encode(), content, hashlib.sha256).hexdigest()


def base64_hmac(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()


@dataclass
class Sender:
    """Somebody who calls a trigger as the header of `hmac-sha256` wants it."""

    core: Core
    secret: str
    org: str = "acme"
    name: str = "disk-full"
    address: str = "192.0.2.7"
    headers: dict[str, str] = field(default_factory=dict)

    def signed(self, body: bytes, after: float = 0) -> dict[str, str]:
        """Return the header of a body that was signed so many seconds from now."""
        at = str(int(self.core.clock.now().timestamp() + after))
        signature = hex_hmac(self.secret, at.encode() + b"." + body)
        return {"Opsicle-Signature": f"t={at},v1={signature}"}

    def send(self, body: object, headers: dict[str, str] | None = None) -> HookReply:
        """Send a body, signed unless other headers are given."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        known = {
            name.lower(): value
            for name, value in (self.signed(content) if headers is None else headers).items()
        }
        call = IncomingCall(lambda name: known.get(name.lower(), ""), content, self.address)
        return self.core.services.hooks.call(self.org, self.name, call)
