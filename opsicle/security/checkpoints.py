"""What of a checkpoint of the audit record is signed and hashed.

All that a worker needs to know of it.
"""

from __future__ import annotations

from opsicle.domain.audit_chain import checkpoint_content, checkpoint_hash, gap_content
from opsicle.wire.audit import CheckpointGap, Signed


def content_of(chain: str, part: Signed) -> bytes:
    """Return the bytes of a checkpoint or a gap that are signed."""
    if isinstance(part, CheckpointGap):
        return gap_content(chain, (part.first, part.last, part.previous, part.hash))
    each = part
    return checkpoint_content(
        chain,
        (
            each.number,
            each.seq,
            each.hash,
            each.at,
            each.removed_to,
            each.removed_hash,
            each.previous,
        ),
    )


def hash_of(chain: str, part: Signed) -> str:
    """Return what the next checkpoint of the chain names as its `previous`."""
    return (
        part.hash if isinstance(part, CheckpointGap) else checkpoint_hash(content_of(chain, part))
    )


def first_of(part: Signed) -> int:
    """Return the number of a checkpoint, or of the first one in a gap."""
    return part.first if isinstance(part, CheckpointGap) else part.number


def last_of(part: Signed) -> int:
    """Return the number of a checkpoint, or of the last one in a gap."""
    return part.last if isinstance(part, CheckpointGap) else part.number
