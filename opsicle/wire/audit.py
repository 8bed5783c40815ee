"""The audit record as it leaves the server: the lines of an export, and what a verification found.

An export is JSON Lines: one header, every checkpoint and gap in order, every entry in order.
`docs/audit.md` has the details.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

FORMAT, FORMAT_WITH_GAPS = 1, 2
"""An export without gaps is one that every version can read."""


class Header(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="header"):
    """The first line: whose record follows.

    `public_key` is PEM, `fingerprint` that key's; `chain` stands in every hash.
    """

    format: int
    chain: str
    org: str
    exported_at: datetime
    public_key: str
    fingerprint: str


class Checkpoint(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="checkpoint",
):
    """A signed statement: then, the chain ended with entry `seq`, whose hash was `hash`.

    Entries up to `removed_to` have been removed by retention, the last of them had `removed_hash`
    (0 and 64 zeros if none were). `number` counts a chain's checkpoints from 1, `previous` is the
    hash of the one before. Hashes are hex, `signature` is Ed25519 in hex.
    """

    number: int
    seq: int
    hash: str
    at: str
    removed_to: int
    removed_hash: str
    previous: str
    signature: str


class CheckpointGap(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="type",
    tag="gap",
):
    """A signed statement: the checkpoints `first` to `last` were good, and were thinned out.

    `previous` is the first one's, `hash` what the checkpoint after the last names as its
    `previous`. `signature` is Ed25519 in hex.
    """

    first: int
    last: int
    previous: str
    hash: str
    signature: str


Signed = Checkpoint | CheckpointGap


class SeenCheckpoint(msgspec.Struct, frozen=True):
    """A chain's newest checkpoint, for workers to keep.

    Who rewrites the record cannot rewrite what they have seen.
    """

    chain: str
    checkpoint: Checkpoint


class ExportedEntry(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="entry"
):
    """An entry exactly as it was hashed: `at` and `data` are texts, not parsed."""

    seq: int
    at: str
    actor_kind: str
    actor_id: str
    actor_name: str
    channel: str
    address: str
    verb: str
    resource: str
    data: str
    hash: str


Line = Header | Checkpoint | CheckpointGap | ExportedEntry


class Fault(msgspec.Struct, frozen=True):
    """The first thing that is wrong in a record.

    `kind` is altered, missing, reordered, cut_off, rewritten or checkpoint.
    `seq` is the entry's number; of a `checkpoint`, that checkpoint's number. `epoch` and `seq`
    together name an entry; None where the record does not say, and of a checkpoint.
    """

    kind: str
    seq: int
    message: str
    epoch: int | None = None


class AuditVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found; `fault` is None if all is as it was written.

    `entries` were read from `first_seq` to `last_seq`; those up to `removed_to` were removed by
    retention. Entries after `signed_to` are not under a signed checkpoint yet: of them alone, one
    could be missing at the end. `last_epoch` is that of `last_seq`, None where the record does not
    say.
    """

    chain: str
    is_intact: bool
    entries: int
    first_seq: int
    last_seq: int
    last_epoch: int | None = None
    removed_to: int
    signed_to: int
    checkpoints: int
    fingerprint: str
    fault: Fault | None = None


class AuditEntry(msgspec.Struct, kw_only=True):
    """One line of the record. `actor_kind` is user, worker or system.

    `about` is what people call the resource, as it is called now; "" where its name says it, or
    it is not there any more. It is no part of the record.

    After a restore numbers are given out again: `epoch` and `seq` together name one entry.
    """

    epoch: int = 1
    seq: int
    at: datetime
    actor_kind: str
    actor_id: str
    actor_name: str
    channel: str
    address: str
    verb: str
    resource: str
    data: dict[str, object]
    about: str = ""
