"""The key that signs the audit record's checkpoints, and its public half, which is all that checking them takes."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from opsicle.domain.audit_chain import checkpoint_content, checkpoint_hash, gap_content
from opsicle.pki.signing_key import PrivateKey, PublicKey
from opsicle.wire.audit import CheckpointGap, Signed


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


def content_of(chain: str, part: Signed) -> bytes:
    """The bytes of a checkpoint or a gap that are signed."""
    if isinstance(part, CheckpointGap):
        return gap_content(chain, (part.first, part.last, part.previous, part.hash))
    each = part
    return checkpoint_content(
        chain, (each.number, each.seq, each.hash, each.at, each.removed_to, each.removed_hash, each.previous)
    )


def hash_of(chain: str, part: Signed) -> str:
    """What the next checkpoint of the chain names as its `previous`."""
    return part.hash if isinstance(part, CheckpointGap) else checkpoint_hash(content_of(chain, part))


def first_of(part: Signed) -> int:
    """The number of a checkpoint, or of the first one in a gap."""
    return part.first if isinstance(part, CheckpointGap) else part.number


def last_of(part: Signed) -> int:
    """The number of a checkpoint, or of the last one in a gap."""
    return part.last if isinstance(part, CheckpointGap) else part.number
