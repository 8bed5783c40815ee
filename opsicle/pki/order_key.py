"""The key that signs orders to workers, and its public half, which every worker keeps from its enrolment on."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opsicle.domain.manifests import ORDER_PURPOSE
from opsicle.pki.signing_key import PrivateKey, PublicKey


class OrderPublicKey(PublicKey):
    """Checks orders."""

    what = "the server's key for orders"
    hint = "Enrol again."

    def has_signed(self, order: bytes, signature: bytes) -> bool:
        """Whether the key's owner has signed just these bytes as an order."""
        return self.verifies(signature, ORDER_PURPOSE + order)


class OrderKey(PrivateKey):
    """Signs orders."""

    what = "the key for orders"
    hint = "Restore it from a backup."

    def __init__(self, key: Ed25519PrivateKey) -> None:
        super().__init__(key)
        self.public = OrderPublicKey(key.public_key())

    def sign(self, order: bytes) -> bytes:
        """The 64 bytes that prove an order."""
        return self.signature_of(ORDER_PURPOSE + order)
