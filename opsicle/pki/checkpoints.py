"""What of a checkpoint of the audit record is signed and hashed: all that a worker needs to know of it."""

from __future__ import annotations

from opsicle.domain.audit_chain import checkpoint_content, checkpoint_hash
from opsicle.wire.audit import Checkpoint


def content_of(chain: str, checkpoint: Checkpoint) -> bytes:
    """The bytes of a checkpoint that are signed."""
    each = checkpoint
    return checkpoint_content(
        chain, (each.number, each.seq, each.hash, each.at, each.removed_to, each.removed_hash, each.previous)
    )


def hash_of(chain: str, checkpoint: Checkpoint) -> str:
    """What the next checkpoint of the chain names as its `previous`."""
    return checkpoint_hash(content_of(chain, checkpoint))
