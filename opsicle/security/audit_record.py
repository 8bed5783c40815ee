"""Checking an audit record against its signed checkpoints.

Nothing is needed but the record and the public key.

One pass, and no more in memory than the checkpoints, so that a record may be as long as it likes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from opsicle.domain.audit_chain import NO_HASH, entry_hash
from opsicle.security.audit_key import AuditPublicKey, first_of, hash_of, last_of
from opsicle.security.record_epochs import RecordEpochs
from opsicle.wire.audit import AuditVerdict, Checkpoint, CheckpointGap, Fault, Signed

Entry = tuple[Any, ...]
"""seq, at, actor_kind, actor_id, actor_name, channel, address, verb, resource, data, hash (hex)."""


class UnreadableRecord(Exception):
    """Raised by whatever iterates the entries, for one that cannot be read."""


class BrokenRecord(Exception):
    """The first thing found to be wrong."""

    def __init__(self, kind: str, seq: int, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(kind, seq, message)


def verify(
    chain: str,
    key: AuditPublicKey,
    signed: Sequence[Signed],
    entries: Iterable[Entry],
    *,
    is_signed_to_end: bool = False,
) -> AuditVerdict:
    """Check a whole record and say what is wrong with it first, if anything is.

    `signed` are its checkpoints, and the gaps where some were thinned out, in order.
    `is_signed_to_end`: the newest checkpoint must cover the last entry, as it does in an export.
    """
    walk = _Walk(chain, signed)
    fault = check_signed(chain, key, signed)

    try:
        if fault is None:
            walk.check_entries(iter(entries))
            if is_signed_to_end:
                walk.check_signed_to_end()
    except BrokenRecord as broken:
        fault = broken.fault
        if fault.kind != "checkpoint":
            fault = msgspec.structs.replace(fault, epoch=walk.epochs.of(fault.seq))

    return AuditVerdict(
        chain=chain,
        is_intact=fault is None,
        entries=walk.count,
        first_seq=walk.first_seq,
        last_seq=walk.seq,
        last_epoch=walk.epochs.of(walk.seq),
        removed_to=walk.removed_to,
        signed_to=walk.signed_to,
        checkpoints=len(walk.checkpoints),
        fingerprint=key.fingerprint,
        fault=fault,
    )


def check_signed(chain: str, key: AuditPublicKey, signed: Sequence[Signed]) -> Fault | None:
    """Return what is wrong first with the checkpoints and gaps of a chain alone.

    Signatures, and that each goes on.
    """
    try:
        _check_signed(chain, key, signed)
    except BrokenRecord as broken:
        return broken.fault
    return None


def _check_signed(chain: str, key: AuditPublicKey, signed: Sequence[Signed]) -> None:
    before: Checkpoint | None = None
    number, link = 0, NO_HASH

    for part in signed:
        expected, number = number + 1, last_of(part)
        if first_of(part) != expected or number < expected:
            raise BrokenRecord(
                "checkpoint", expected, f"checkpoint {expected} is missing or out of order"
            )

        name = (
            f"checkpoint {number}"
            if isinstance(part, Checkpoint)
            else f"the gap to checkpoint {number}"
        )

        if not key.has_signed(chain, part):
            raise BrokenRecord("checkpoint", expected, f"{name} was not signed with this key")
        if part.previous != link:
            raise BrokenRecord("checkpoint", expected, f"{name} does not follow the one before it")

        link = hash_of(chain, part)
        if isinstance(part, Checkpoint):
            if before and not _goes_on_from(before, part):
                raise BrokenRecord(
                    "checkpoint", number, f"checkpoint {number} contradicts the one before it"
                )
            before = part

    if signed and isinstance(signed[-1], CheckpointGap):
        raise BrokenRecord(
            "checkpoint",
            number + 1,
            f"checkpoint {number + 1} is missing: none is after the thinned ones",
        )


class _Walk:
    """Where a verification is: `seq` and `hash` are those of the last good entry."""

    def __init__(self, chain: str, signed: Sequence[Signed]) -> None:
        self._chain = chain
        self.checkpoints = [each for each in signed if isinstance(each, Checkpoint)]
        last = self.checkpoints[-1] if self.checkpoints else None
        self.removed_to = last.removed_to if last else 0
        self.signed_to = last.seq if last else 0
        self.first_seq = self.removed_to + 1
        self.seq = self.removed_to
        self.hash = last.removed_hash if last else NO_HASH
        self.count = 0
        self.epochs = RecordEpochs(self.removed_to)
        self._confirmed_to = self.removed_to

    def check_entries(self, entries: Iterator[Entry]) -> None:
        """Check that every entry is in its place, with its hash, up to the newest checkpoint."""
        stated = {each.seq: each.hash for each in self.checkpoints if each.seq > self.removed_to}
        try:
            for entry in entries:
                self._check_entry(entry, entries)
                if self.seq in stated:
                    self._check_against(stated[self.seq])
        except UnreadableRecord as error:
            raise BrokenRecord(
                "altered", self.seq + 1, f"entry {self.seq + 1} cannot be read: {error}"
            ) from error

        if self.seq < self.signed_to:
            raise BrokenRecord(
                "cut_off",
                self.seq + 1,
                f"the record was cut off: entry {self.seq + 1} is missing, "
                f"a checkpoint says that it went on to {self.signed_to}",
            )

    def check_signed_to_end(self) -> None:
        """Check that no entry stands behind what was signed, and that something was."""
        if not self.checkpoints or self.seq > self.signed_to:
            number = self.checkpoints[-1].number + 1 if self.checkpoints else 1
            raise BrokenRecord(
                "checkpoint",
                number,
                f"checkpoint {number} is missing: "
                f"no signature covers what comes after entry {self.signed_to}",
            )

    def _check_entry(self, entry: Entry, rest: Iterator[Entry]) -> None:
        expected = self.seq + 1

        if entry[0] != expected:
            raise _misplaced(expected, entry[0], rest)
        if entry_hash(self._chain, self.hash, entry[:-1]) != entry[-1]:
            raise BrokenRecord(
                "altered",
                expected,
                f"entry {expected} was altered"
                + (f", or entry {self.seq} together with its hash" if self.count else ""),
            )

        self.seq, self.hash, self.count = expected, entry[-1], self.count + 1
        self.epochs.take(expected, entry[7], entry[9])

    def _check_against(self, stated: str) -> None:
        if self.hash != stated:
            first = self._confirmed_to + 1
            raise BrokenRecord(
                "rewritten",
                first,
                f"entries were replaced: somewhere from entry {first} to {self.seq} the record "
                f"is another than the one whose checkpoint was signed at entry {self.seq}",
            )
        self._confirmed_to = self.seq


def _goes_on_from(before: Checkpoint, after: Checkpoint) -> bool:
    if (
        after.seq < before.seq
        or after.removed_to < before.removed_to
        or after.removed_to > after.seq
    ):
        return False
    if after.removed_to == before.removed_to and after.removed_hash != before.removed_hash:
        return False
    if after.removed_to == before.seq and after.removed_hash != before.hash:
        return False
    return after.seq > before.seq or after.hash == before.hash


def _misplaced(expected: int, found: int, rest: Iterator[Entry]) -> BrokenRecord:
    """Tell an entry that is gone from one that stands elsewhere."""
    try:
        is_later = any(entry[0] == expected for entry in rest)
    except UnreadableRecord:
        is_later = False
    if is_later or found < expected:
        return BrokenRecord(
            "reordered",
            expected,
            f"entries are out of order: {found} stands where {expected} belongs",
        )
    return BrokenRecord(
        "missing", expected, f"entry {expected} is missing: {found} stands in its place"
    )
