"""Ed25519 key pairs in PEM: what every key of the server that signs something has in common."""

from __future__ import annotations

from hashlib import sha256
from typing import ClassVar, Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from opsicle.domain.errors import InvalidInput


class PublicKey:
    """A public half. `fingerprint` is `sha256:` and the hash of the 32 `raw` bytes of the key.

    `what` and `hint` are for errors: what the key is called, and what to do if it is none.
    """

    what: ClassVar[str]
    hint: ClassVar[str]

    def __init__(self, key: Ed25519PublicKey) -> None:
        self._key = key
        self.raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.fingerprint = self.fingerprint_of(self.raw)
        self.pem = key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()

    @classmethod
    def load(cls, pem: str) -> Self:
        """Return the key in a PEM text.

        Raises InvalidInput if there is none, or one of another kind.
        """
        try:
            key = serialization.load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise InvalidInput(f"{cls.what} cannot be read", hint=cls.hint) from error
        if not isinstance(key, Ed25519PublicKey):
            raise InvalidInput(f"{cls.what} is not an Ed25519 key", hint=cls.hint)
        return cls(key)

    @staticmethod
    def fingerprint_of(raw: bytes) -> str:
        """Return what a key of these bytes is called."""
        return f"sha256:{sha256(raw).hexdigest()}"

    @classmethod
    def of_raw(cls, raw: bytes) -> Self:
        """Return the key of these bytes. Raises InvalidInput if there are not 32 of them."""
        try:
            return cls(Ed25519PublicKey.from_public_bytes(raw))
        except ValueError as error:
            raise InvalidInput(f"{cls.what} is not an Ed25519 key", hint=cls.hint) from error

    def verifies(self, signature: bytes, content: bytes) -> bool:
        """Return whether the key's owner has signed just these bytes."""
        try:
            self._key.verify(signature, content)
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    """A private half, which lives in a file of mode 0600. `what` and `hint` as of `PublicKey`."""

    what: ClassVar[str]
    hint: ClassVar[str]

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def create(cls) -> Self:
        """Return a new key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def load(cls, pem: str) -> Self:
        """Return the key that an earlier one's `pem` holds. Raises InvalidInput."""
        try:
            key = serialization.load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise InvalidInput(f"{cls.what} cannot be read", hint=cls.hint) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidInput(f"{cls.what} is not an Ed25519 key", hint=cls.hint)
        return cls(key)

    @property
    def pem(self) -> str:
        """The private key as unencrypted PEM."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()

    def signature_of(self, content: bytes) -> bytes:
        """Return the 64 bytes that prove that the key's owner has signed just these bytes."""
        return self._key.sign(content)
