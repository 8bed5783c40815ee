"""The one-time setup token.

What whoever installed the server shows to create the first org and its admin.

It carries the fingerprint of the server's CA too, so that the very first connection already knows
whom to trust. The server keeps `hash` alone; `D/setup-token` holds the text until it is used.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from opsicle.security import token_encoding

PREFIX = "opst1"
_WHAT = "setup token"
_SECRET_BYTES = 32
_FINGERPRINT_BYTES = 32


@dataclass(frozen=True)
class SetupToken:
    """A 256-bit secret, and the fingerprint (`sha256:<hex>`) of the CA of its server."""

    fingerprint: str
    secret: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The one line that a person copies."""
        return token_encoding.encode(
            PREFIX, self.secret + bytes.fromhex(self.fingerprint.removeprefix("sha256:"))
        )

    @property
    def hash(self) -> str:
        """What the server stores: hex SHA-256.

        The secret is random, so there is nothing to guess slowly.
        """
        return hashlib.sha256(b"opsicle setup token\0" + self.secret).hexdigest()

    def matches(self, stored_hash: str) -> bool:
        """Return whether this is the token whose `hash` was stored.

        Takes the same time whether it is or not.
        """
        return hmac.compare_digest(self.hash.encode(), stored_hash.encode())


def new(fingerprint: str) -> SetupToken:
    """Return a fresh token for the server whose CA has this fingerprint."""
    return SetupToken(fingerprint=fingerprint, secret=secrets.token_bytes(_SECRET_BYTES))


def parse(text: str) -> SetupToken:
    """Return the token in a text that a person gave.

    Raises InvalidInput if it is damaged or something else.
    """
    payload = token_encoding.decode(PREFIX, text, _WHAT)
    if len(payload) != _SECRET_BYTES + _FINGERPRINT_BYTES:
        raise token_encoding.damaged(_WHAT)
    return SetupToken(
        fingerprint=f"sha256:{payload[_SECRET_BYTES:].hex()}", secret=payload[:_SECRET_BYTES]
    )
