"""A target as an automation is bound to it: where its commands run, and as whom."""

from __future__ import annotations

import msgspec


class BoundTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A host that a job reaches over SSH, as it was when that was triggered.

    `host_keys` are the only keys by which the host may show itself, as in a line of `known_hosts`
    behind the name: `ssh-ed25519 AAAA…`. `secret` names the secret that holds the private key.
    """

    name: str
    host: str
    user: str
    host_keys: tuple[str, ...]
    secret: str
    port: int = 22
