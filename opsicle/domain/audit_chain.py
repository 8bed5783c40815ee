"""What is hashed and signed of the audit record.

`docs/audit.md` describes the same for others to build; it is fixed.

Every org has a chain of its own, and the server one more for what belongs to no org. An entry's
hash covers the entry, its place and the hash before it; a checkpoint states how far a chain had
got, and is signed.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

SERVER_CHAIN = "server"
"""The chain of what belongs to no org; every other chain is called as its org's id."""

NO_HASH = "0" * 64
"""What stands for the hash before the first entry, and before the first checkpoint."""

_ENTRY = "opsicle audit entry 1"
_ENTRY_FIELDS = 10
_ENTRY_START = f"{len(_ENTRY)}:{_ENTRY},"
_CHECKPOINT = "opsicle audit checkpoint 1"
_GAP = "opsicle audit checkpoint gap 1"


def chain_of(org_id: str | None) -> str:
    """Return the name of an org's chain; None or "" is the server's own."""
    return org_id or SERVER_CHAIN


def entry_hash(chain: str, previous: str, entry: Iterable[object]) -> str:
    """Return an entry's SHA-256 in hex; `previous` is that of the entry before it.

    `entry` is seq, at, actor_kind, actor_id, actor_name, channel, address, verb, resource and data,
    in this order.
    """
    fields = tuple(map(str, entry))
    if len(fields) == _ENTRY_FIELDS and (text := _plain(chain, previous, fields)).isascii():
        return sha256(text.encode("ascii")).hexdigest()
    return sha256(_netstrings((_ENTRY, chain, previous, *fields))).hexdigest()


def _plain(chain: str, previous: str, fields: tuple[str, ...]) -> str:
    """Return the netstrings of an entry with lengths in letters.

    Right if all of it is ASCII, as nearly always.

    Written out, because a loop over the fields takes a third longer, which a million entries make
    seconds of.
    """
    seq, at, kind, actor_id, name, channel, address, verb, resource, data = fields
    return (
        f"{_ENTRY_START}{len(chain)}:{chain},{len(previous)}:{previous},{len(seq)}:{seq},{len(at)}:{at},"
        f"{len(kind)}:{kind},{len(actor_id)}:{actor_id},{len(name)}:{name},{len(channel)}:{channel},"
        f"{len(address)}:{address},{len(verb)}:{verb},{len(resource)}:{resource},{len(data)}:{data},"
    )


def checkpoint_content(chain: str, checkpoint: Iterable[object]) -> bytes:
    """Return the bytes that are signed.

    `checkpoint` is number, seq, hash, at, removed_to, removed_hash, previous.
    """
    return _netstrings((_CHECKPOINT, chain, *checkpoint))


def gap_content(chain: str, gap: Iterable[object]) -> bytes:
    """Return the bytes that are signed of thinned checkpoints.

    `gap` is first, last, previous, hash.
    """
    return _netstrings((_GAP, chain, *gap))


def checkpoint_hash(content: bytes) -> str:
    """Return what the next checkpoint names as its `previous`, in hex."""
    return sha256(content).hexdigest()


def _netstrings(fields: Iterable[object]) -> bytes:
    """Return each field as `LENGTH:BYTES,`, so that no two lists of fields give the same bytes."""
    return b"".join(
        [b"%d:%b," % (len(part), part) for part in [str(field).encode() for field in fields]]
    )
