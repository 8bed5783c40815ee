"""The key that signs orders to workers, and its public half, which every worker keeps from its enrolment on."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opsicle.security.signing_key import PrivateKey, PublicKey

_PURPOSE = b"opsicle order 1\n"
"""Stands before what is signed, so that no signature for another purpose is ever taken for an order's."""


class OrderPublicKey(PublicKey):
    """Checks orders."""

    what = "the server's key for orders"
    hint = "Enrol again."

    def has_signed(self, order: bytes, signature: bytes) -> bool:
        """Whether the key's owner has signed just these bytes as an order."""
        return self.verifies(signature, _PURPOSE + order)


class OrderKey(PrivateKey):
    """Signs orders."""

    what = "the key for orders"
    hint = "Restore it from a backup."

    def __init__(self, key: Ed25519PrivateKey) -> None:
        super().__init__(key)
        self.public = OrderPublicKey(key.public_key())

    def sign(self, order: bytes) -> bytes:
        """The 64 bytes that prove an order."""
        return self.signature_of(_PURPOSE + order)
