"""Making audit records of any length, as exports, without a server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgspec

from opsicle.domain.audit_chain import NO_HASH, entry_hash
from opsicle.kit.clock import to_text
from opsicle.security.audit_key import AuditKey, hash_of
from opsicle.wire.audit import FORMAT, Checkpoint, ExportedEntry, Header

CHAIN = "01k9zzzzzzzzzzzzzzzzzzzzzz"
BEGAN = datetime(2026, 3, 1, tzinfo=UTC)


def entries(
    count: int, said: Mapping[int, tuple[str, str]] = MappingProxyType({})
) -> Iterator[ExportedEntry]:
    """Return chained entries as a server would write them.

    Those in `said` have this verb and data.
    """
    digest = NO_HASH
    for seq in range(1, count + 1):
        verb, data = said.get(seq, ("run", '{"template":"restart-web","version":3}'))
        fields = (
            *(
                seq,
                to_text(BEGAN + timedelta(seconds=seq)),
                "user",
                "01k9aaaaaaaaaaaaaaaaaaaaaa",
                "alice@example.com",
            ),
            *(
                "cli",
                "203.0.113.9",
                verb,
                f"automations/{seq:026}",
                data,
            ),
        )
        digest = entry_hash(CHAIN, digest, fields)
        yield ExportedEntry(*fields, digest)


def checkpoint(
    key: AuditKey, before: Checkpoint | None, seq: int, digest: str, **changes: Any
) -> Checkpoint:
    """Return the checkpoint that follows `before`, signed at an entry."""
    unsigned = Checkpoint(
        number=before.number + 1 if before else 1,
        seq=seq,
        hash=digest,
        at=to_text(BEGAN),
        removed_to=before.removed_to if before else 0,
        removed_hash=before.removed_hash if before else NO_HASH,
        previous=hash_of(CHAIN, before) if before else NO_HASH,
        signature="",
    )
    unsigned = msgspec.structs.replace(unsigned, **changes)
    return msgspec.structs.replace(unsigned, signature=key.sign(CHAIN, unsigned))


def checkpoints(key: AuditKey, every: int, written: Sequence[ExportedEntry]) -> list[Checkpoint]:
    """Return one checkpoint for every so many entries, and one at the end."""
    made: list[Checkpoint] = []
    for entry in written:
        if entry.seq % every == 0 or entry.seq == written[-1].seq:
            made.append(checkpoint(key, made[-1] if made else None, entry.seq, entry.hash))
    return made


def header(key: AuditKey) -> Header:
    return Header(
        format=FORMAT,
        chain=CHAIN,
        org="acme",
        exported_at=BEGAN,
        public_key=key.public.pem,
        fingerprint=key.public.fingerprint,
    )


def lines(things: Iterable[object]) -> list[bytes]:
    """Return one line for each thing."""
    return [msgspec.json.encode(thing) + b"\n" for thing in things]
