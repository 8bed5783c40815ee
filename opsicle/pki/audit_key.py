"""The key that signs the audit record's checkpoints, and its public half, which is all that checking them takes."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opsicle.pki.checkpoints import content_of, first_of, hash_of, last_of
from opsicle.pki.signing_key import PrivateKey, PublicKey
from opsicle.wire.audit import Signed

__all__ = ["AuditKey", "AuditPublicKey", "first_of", "hash_of", "last_of"]


class AuditPublicKey(PublicKey):
    """Checks checkpoints, and gaps between them."""

    what = "the public key"
    hint = "`opsicle audit key` prints the right one."

    def has_signed(self, chain: str, part: Signed) -> bool:
        """Whether the key's owner has signed this checkpoint or gap of this chain."""
        try:
            signature = bytes.fromhex(part.signature)
        except ValueError:
            return False
        return self.verifies(signature, content_of(chain, part))


class AuditKey(PrivateKey):
    """Signs checkpoints, and gaps between them."""

    what = "the audit record's key"
    hint = "Restore a backup."

    def __init__(self, key: Ed25519PrivateKey) -> None:
        super().__init__(key)
        self.public = AuditPublicKey(key.public_key())

    def sign(self, chain: str, part: Signed) -> str:
        """The signature for a checkpoint or a gap, whatever signature it carries now."""
        return self.signature_of(content_of(chain, part)).hex()
