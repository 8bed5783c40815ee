"""The key that signs the audit record's checkpoints, and its public half, which is all that checking them takes."""

from __future__ import annotations

from hashlib import sha256
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from opsicle.domain.audit_chain import checkpoint_content, checkpoint_hash
from opsicle.domain.errors import InvalidInput
from opsicle.wire.audit import Checkpoint


class AuditPublicKey:
    """Checks checkpoints. `fingerprint` is `sha256:` and the hash of the 32 raw bytes of the key."""

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
            raise InvalidInput(
                "the public key cannot be read", hint="`opsicle audit key` prints the right one."
            ) from error
        if not isinstance(key, Ed25519PublicKey):
            raise InvalidInput("the public key is not an Ed25519 key", hint="`opsicle audit key` prints the right one.")
        return cls(key)

    def has_signed(self, chain: str, checkpoint: Checkpoint) -> bool:
        """Whether the key's owner has signed this checkpoint of this chain."""
        try:
            self._key.verify(bytes.fromhex(checkpoint.signature), content_of(chain, checkpoint))
        except (InvalidSignature, ValueError):
            return False
        return True


class AuditKey:
    """Signs checkpoints. The private key lives in a file of mode 0600."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = AuditPublicKey(key.public_key())

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
            raise InvalidInput("the audit record's key cannot be read", hint="Restore a backup.") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidInput("the audit record's key is not an Ed25519 key", hint="Restore a backup.")
        return cls(key)

    @property
    def pem(self) -> str:
        """The private key as unencrypted PEM."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    def sign(self, chain: str, checkpoint: Checkpoint) -> str:
        """The signature for a checkpoint, whatever signature it carries now."""
        return self._key.sign(content_of(chain, checkpoint)).hex()


def content_of(chain: str, checkpoint: Checkpoint) -> bytes:
    """The bytes of a checkpoint that are signed."""
    each = checkpoint
    return checkpoint_content(
        chain, (each.number, each.seq, each.hash, each.at, each.removed_to, each.removed_hash, each.previous)
    )


def hash_of(chain: str, checkpoint: Checkpoint) -> str:
    """What the next checkpoint of the chain names as its `previous`."""
    return checkpoint_hash(content_of(chain, checkpoint))
