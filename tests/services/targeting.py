"""Targets of an org."""

from __future__ import annotations

import dataclasses

from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import scope_grants
from opsicle.wire.document_api import DocumentPushed
from opsicle.wire.target_api import PushTargetRequest
from tests.services.core import Core

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL4yibV1lZXGPSnTomG+yXAkCBuqz+ADQqnceIXFyrbX"


def target_source(*lines: str, name: str = "web1", labels: str = "role: web") -> str:
    """Return a document; `lines` are further ones of its spec, or take the place of its own."""
    own = {
        "host": f"{name}.example.com",
        "user": "deploy",
        "hostKeys": f'["{HOST_KEY}"]',
        "credential": "{secret: web-key}",
    }
    spec = own | dict(line.split(": ", 1) for line in lines)
    more = "".join(f"  {field}: {value}\n" for field, value in spec.items())
    return (
        f"apiVersion: v1\ntype: Target\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n"
        f"spec:\n{more}"
    )


def push_target(core: Core, actor: Actor, *lines: str, **about: str) -> DocumentPushed:
    return core.services.targets.push(actor, target_request(*lines, **about))


def target_request(*lines: str, **about: str) -> PushTargetRequest:
    return PushTargetRequest(source=target_source(*lines, **about))


def with_rules(actor: Actor, *rules: str) -> Actor:
    """Return somebody who may only what these rules allow, as a token's scopes do."""
    written = "[" + ", ".join(f'"{rule}"' for rule in rules) + "]"
    return dataclasses.replace(actor, rights=actor.rights.below(scope_grants(written)))
