"""The key that signs orders to workers, and its public half, which every worker keeps from its enrolment on."""

from __future__ import annotations

from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from opsicle.domain.errors import InvalidInput

_PURPOSE = b"opsicle order 1\n"
"""Stands before what is signed, so that no signature for another purpose is ever taken for an order's."""


class OrderPublicKey:
    """Checks orders. `fingerprint` is `sha256:` and the hash of the 32 raw bytes of the key."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.fingerprint = f"sha256:{sha256(raw).hexdigest()}"
        self.pem = key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    @classmethod
    def load(cls, pem: str) -> Self:
        """The key in a PEM text. Raises InvalidInput if there is none, or one of another kind."""
        try:
            key = serialization.load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InvalidInput("the server's key for orders cannot be read", hint="Enrol again.") from error
        if not isinstance(key, Ed25519PublicKey):
            raise InvalidInput("the server's key for orders is not an Ed25519 key", hint="Enrol again.")
        return cls(key)

    def has_signed(self, order: bytes, signature: bytes) -> bool:
        """Whether the key's owner has signed just these bytes as an order."""
        try:
            self._key.verify(signature, _PURPOSE + order)
        except InvalidSignature:
            return False
        return True


class OrderKey:
    """Signs orders. The private key lives in a file of mode 0600."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = OrderPublicKey(key.public_key())

    @classmethod
    def create(cls) -> Self:
        """A new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, pem: str) -> Self:
        """The key that an earlier one's `pem` holds. Raises InvalidInput."""
        try:
            key = serialization.load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise InvalidInput("the key for orders cannot be read", hint="Restore it from a backup.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidInput("the key for orders is not an Ed25519 key", hint="Restore it from a backup.")
        return cls(key)

    @property
    def pem(self) -> str:
        """The private key as unencrypted PEM."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def sign(self, order: bytes) -> bytes:
        """The 64 bytes that prove an order."""
        return self._key.sign(_PURPOSE + order)
