"""Verifying an altered export of the audit record names the first wrong entry."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsicle.client.audit_export import verify_export
from opsicle.domain.audit_chain import NO_HASH, entry_hash
from opsicle.domain.errors import InvalidInput
from opsicle.security.audit_key import AuditKey, AuditPublicKey, hash_of
from opsicle.wire.audit import AuditVerdict, Checkpoint, ExportedEntry
from tests.audit_records import CHAIN, checkpoint, checkpoints, entries, header, lines

COUNT, EVERY = 10_000, 1_000
PLACES = st.integers(1, COUNT)
FEW = settings(max_examples=15, deadline=None)


@dataclass(frozen=True)
class Record:
    """An export in its three parts."""

    key: AuditKey
    checkpoints: list[Checkpoint]
    entries: list[ExportedEntry]
    entry_lines: list[bytes]

    def verify(
        self, entry_lines: list[bytes], signed: list[Checkpoint] | None = None
    ) -> AuditVerdict:
        signed = self.checkpoints if signed is None else signed
        return verify_export([*lines([header(self.key), *signed]), *entry_lines], self.key.public)


@pytest.fixture(scope="module")
def record() -> Record:
    key, written = AuditKey.create(), list(entries(COUNT))
    return Record(key, checkpoints(key, EVERY, written), written, lines(written))


def fault(verdict: AuditVerdict) -> tuple[str, int]:
    assert verdict.fault is not None
    assert not verdict.is_intact
    return verdict.fault.kind, verdict.fault.seq


def changed(entry: ExportedEntry, **changes: Any) -> bytes:
    return lines([msgspec.structs.replace(entry, **changes)])[0]


def test_a_record_that_nobody_touched_is_intact(record: Record) -> None:
    verdict = record.verify(record.entry_lines)

    assert verdict.is_intact
    assert (verdict.entries, verdict.last_seq, verdict.signed_to, verdict.checkpoints) == (
        COUNT,
        COUNT,
        COUNT,
        10,
    )
    assert verdict.fingerprint == record.key.public.fingerprint


@FEW
@given(
    seq=PLACES,
    field=st.sampled_from([name for name in ExportedEntry.__struct_fields__ if name != "seq"]),
)
def test_an_edited_entry_is_named(record: Record, seq: int, field: str) -> None:
    entry = record.entries[seq - 1]
    edited = changed(entry, **{field: getattr(entry, field)[:-1] + "~"})

    verdict = record.verify([*record.entry_lines[: seq - 1], edited, *record.entry_lines[seq:]])

    assert fault(verdict) == ("altered", seq)
    assert verdict.entries == seq - 1


@FEW
@given(seq=st.integers(1, COUNT - 1))
def test_an_entry_edited_with_its_hash_is_found_at_the_next_one(record: Record, seq: int) -> None:
    entry = record.entries[seq - 1]
    previous = record.entries[seq - 2].hash if seq > 1 else NO_HASH
    forged = msgspec.structs.replace(entry, verb="never")
    forged = msgspec.structs.replace(
        forged, hash=entry_hash(CHAIN, previous, msgspec.structs.astuple(forged)[:-1])
    )
    verdict = record.verify(
        [*record.entry_lines[: seq - 1], *lines([forged]), *record.entry_lines[seq:]]
    )
    kind, found = fault(verdict)

    assert (kind, found) == (
        ("rewritten", seq - EVERY + 1) if seq % EVERY == 0 else ("altered", seq + 1)
    )
    assert verdict.fault
    assert f"entry {seq}" in verdict.fault.message


@FEW
@given(seq=PLACES)
def test_history_rewritten_to_the_end_contradicts_the_next_checkpoint(
    record: Record, seq: int
) -> None:
    digest = record.entries[seq - 2].hash if seq > 1 else NO_HASH
    forged = []
    for entry in record.entries[seq - 1 :]:
        fields = (
            *msgspec.structs.astuple(entry)[:7],
            "never",
            *msgspec.structs.astuple(entry)[8:-1],
        )
        digest = entry_hash(CHAIN, digest, fields)
        forged.append(ExportedEntry(*fields, digest))

    verdict = record.verify([*record.entry_lines[: seq - 1], *lines(forged)])

    assert fault(verdict) == ("rewritten", (seq - 1) // EVERY * EVERY + 1)


@FEW
@given(seq=st.integers(1, COUNT - 1))
def test_a_removed_entry_is_named(record: Record, seq: int) -> None:
    assert fault(record.verify([*record.entry_lines[: seq - 1], *record.entry_lines[seq:]])) == (
        "missing",
        seq,
    )


@FEW
@given(pair=st.tuples(PLACES, PLACES).filter(lambda pair: pair[0] != pair[1]).map(sorted))
def test_swapped_entries_are_named_at_the_first_of_them(record: Record, pair: list[int]) -> None:
    first, second = pair
    swapped = list(record.entry_lines)
    swapped[first - 1], swapped[second - 1] = swapped[second - 1], swapped[first - 1]

    assert fault(record.verify(swapped)) == ("reordered", first)


@FEW
@given(seq=PLACES)
def test_an_entry_that_stands_twice_is_out_of_order(record: Record, seq: int) -> None:
    twice = [*record.entry_lines[:seq], record.entry_lines[seq - 1], *record.entry_lines[seq:]]
    assert fault(record.verify(twice)) == ("reordered", seq + 1)


@FEW
@given(kept=st.integers(0, COUNT - 1))
def test_a_record_that_was_cut_off_is_named_where_it_ends(record: Record, kept: int) -> None:
    assert fault(record.verify(record.entry_lines[:kept])) == ("cut_off", kept + 1)


@FEW
@given(seq=PLACES, place=st.integers(0, 400))
def test_a_line_that_cannot_be_read_is_named(record: Record, seq: int, place: int) -> None:
    line = bytearray(record.entry_lines[seq - 1])
    line[place % (len(line) - 1)] = 0xFF

    kind, found = fault(
        record.verify([*record.entry_lines[: seq - 1], bytes(line), *record.entry_lines[seq:]])
    )

    assert (kind, found) == ("altered", seq)


def test_an_invented_entry_at_the_end_is_not_covered_by_a_signature(record: Record) -> None:
    last = record.entries[-1]
    fields = (last.seq + 1, *msgspec.structs.astuple(last)[1:-1])

    invented = ExportedEntry(*fields, entry_hash(CHAIN, last.hash, fields))

    assert fault(record.verify([*record.entry_lines, *lines([invented])])) == ("checkpoint", 11)


def test_a_record_without_checkpoints_proves_nothing(record: Record) -> None:
    assert fault(record.verify(record.entry_lines, [])) == ("checkpoint", 1)
    assert fault(record.verify([], [])) == ("checkpoint", 1)


@pytest.mark.parametrize("number", [1, 5, 10])
def test_an_altered_checkpoint_is_named(record: Record, number: int) -> None:
    signed = list(record.checkpoints)
    signed[number - 1] = msgspec.structs.replace(signed[number - 1], hash=record.entries[0].hash)
    assert fault(record.verify(record.entry_lines, signed)) == ("checkpoint", number)


@pytest.mark.parametrize("number", [1, 5, 10])
def test_a_removed_checkpoint_is_named(record: Record, number: int) -> None:
    signed = [each for each in record.checkpoints if each.number != number]
    assert fault(record.verify(record.entry_lines, signed)) == ("checkpoint", number)


def test_a_record_of_another_key_is_not_ours(record: Record) -> None:
    other = AuditKey.create()
    forged = checkpoints(other, EVERY, record.entries)
    assert fault(record.verify(record.entry_lines, forged)) == ("checkpoint", 1)


def test_another_chains_record_does_not_pass_for_this_one(record: Record) -> None:
    stolen = msgspec.structs.replace(header(record.key), chain="01k9another")
    verdict = verify_export(
        [*lines([stolen, *record.checkpoints]), *record.entry_lines], record.key.public
    )

    assert fault(verdict) == ("checkpoint", 1)


def test_without_a_key_the_exports_own_is_used(record: Record) -> None:
    export = [*lines([header(record.key), *record.checkpoints]), *record.entry_lines]
    assert verify_export(export, None).is_intact


def removed(record: Record, to: int, digest: str | None = None) -> list[Checkpoint]:
    """Return the record's checkpoints and one that says that retention has removed entries."""
    hash_then = digest or record.entries[to - 1].hash
    last = record.entries[-1]
    statement = checkpoint(
        record.key,
        record.checkpoints[-1],
        last.seq,
        last.hash,
        removed_to=to,
        removed_hash=hash_then,
    )
    return [*record.checkpoints, statement]


@pytest.mark.parametrize("to", [1, 999, 1_000, 1_001, 9_999])
def test_what_retention_removed_is_proven_and_the_rest_verified(record: Record, to: int) -> None:
    verdict = record.verify(record.entry_lines[to:], removed(record, to))
    assert verdict.is_intact, verdict.fault
    assert (verdict.removed_to, verdict.first_seq, verdict.entries) == (to, to + 1, COUNT - to)


def test_more_removed_than_was_signed_is_missing(record: Record) -> None:
    assert fault(record.verify(record.entry_lines[1_200:], removed(record, 1_100))) == (
        "missing",
        1_101,
    )


def test_a_chain_that_goes_on_from_another_hash_is_altered(record: Record) -> None:
    signed = removed(record, 1_100, record.entries[3].hash)
    assert fault(record.verify(record.entry_lines[1_100:], signed)) == ("altered", 1_101)


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 9_000},
        {"removed_to": 10_001},
        {"removed_hash": "1" * 64},
        {"removed_to": COUNT, "removed_hash": "1" * 64},
    ],
    ids=["goes back", "removes what is not there", "changes what was removed", "removes another"],
)
def test_a_signed_checkpoint_that_contradicts_the_one_before_is_named(
    record: Record, changes: dict[str, Any]
) -> None:
    wrong = checkpoint(
        record.key,
        record.checkpoints[-1],
        **{"seq": COUNT, "digest": record.entries[-1].hash, **changes},
    )
    assert fault(record.verify(record.entry_lines, [*record.checkpoints, wrong])) == (
        "checkpoint",
        11,
    )


def test_a_checkpoint_put_between_others_is_named(record: Record) -> None:
    inserted = checkpoint(
        record.key, record.checkpoints[3], 5_000, record.entries[4_999].hash, at="later"
    )

    assert hash_of(CHAIN, inserted) != hash_of(CHAIN, record.checkpoints[4])

    signed = [*record.checkpoints[:4], inserted, *record.checkpoints[5:]]
    assert fault(record.verify(record.entry_lines, signed)) == ("checkpoint", 6)


@pytest.mark.parametrize(
    "content", [[], [b"\n"], [b"not json\n"], [b'{"type":"entry"}\n'], [b"\xff\xfe\n"]]
)
def test_a_file_that_is_no_export_is_refused(content: list[bytes]) -> None:
    with pytest.raises(InvalidInput, match="no export"):
        verify_export(content, None)


def test_an_export_without_its_header_is_refused(record: Record) -> None:
    with pytest.raises(InvalidInput, match="header"):
        verify_export(lines(record.checkpoints), None)


def test_an_export_of_a_later_format_is_refused(record: Record) -> None:
    with pytest.raises(InvalidInput, match="format 3"):
        verify_export(lines([msgspec.structs.replace(header(record.key), format=3)]), None)


@pytest.mark.parametrize(
    "pem", ["", "nonsense", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_a_public_key_that_is_none_is_refused(pem: str) -> None:
    with pytest.raises(InvalidInput, match="public key"):
        AuditPublicKey.load(pem)


def test_no_two_entries_are_hashed_as_the_same_bytes() -> None:
    """The boundary between two fields counts."""
    assert entry_hash(CHAIN, NO_HASH, ("1", "ab", "c")) != entry_hash(
        CHAIN, NO_HASH, ("1", "a", "bc")
    )
    assert entry_hash(CHAIN, NO_HASH, ("a,1:b",)) != entry_hash(CHAIN, NO_HASH, ("a", "b"))


def test_the_hash_that_the_documentation_gives_as_an_example_is_right() -> None:
    """Written down, so that the format cannot change without anybody noticing.

    Records of years depend on it.
    """
    at = "2026-03-01T12:00:00.000000Z"
    entry = (1, at, "user", "u1", "ada", "cli", "203.0.113.9", "push", "templates/web", "{}")

    assert (
        entry_hash("acme", NO_HASH, entry)
        == "a050d6268323c50501a8a00fda08d5cbcc4641d8fe69d63e18dc3cd805dbf8bb"
    )


@given(st.tuples(*[st.text(max_size=20)] * 10), st.text(max_size=5))
def test_the_quick_way_to_a_hash_gives_the_same_as_the_format_says(
    fields: tuple[str, ...], chain: str
) -> None:
    given_parts = ("opsicle audit entry 1", chain, NO_HASH, *fields)
    content = b"".join(b"%d:%b," % (len(part.encode()), part.encode()) for part in given_parts)

    assert entry_hash(chain, NO_HASH, fields) == sha256(content).hexdigest()


RESTORED = {
    4: ("accept_restored", '{"epoch":2,"epoch_before":1}'),
    8: ("accept_restored", '{"epoch":5,"epoch_before":4}'),
    12: ("import_org", '{"epoch_before":5}'),
}


@pytest.mark.parametrize(
    ("altered", "removed_to", "epoch"),
    [(3, 0, 1), (4, 0, 1), (5, 0, 2), (9, 0, 5), (13, 0, None), (3, 1, None), (6, 1, 2)],
)
def test_what_is_wrong_is_named_by_its_epoch_too(
    altered: int, removed_to: int, epoch: int | None
) -> None:
    """An entry that was lost by a restore may have had the same number."""
    key, written = AuditKey.create(), list(entries(14, RESTORED))
    hashes = [NO_HASH, *(entry.hash for entry in written)]
    signed = checkpoint(
        key, None, 14, written[-1].hash, removed_to=removed_to, removed_hash=hashes[removed_to]
    )
    of_export = [header(key), signed]
    good = verify_export(lines([*of_export, *written[removed_to:]]), key.public)
    assert (good.is_intact, good.last_epoch) == (True, None)
    shorter = checkpoint(key, None, 10, written[9].hash)
    assert verify_export(lines([header(key), shorter, *written[:10]]), None).last_epoch == 5

    written[altered - 1] = msgspec.structs.replace(written[altered - 1], actor_name="mallory")
    verdict = verify_export(lines([*of_export, *written[removed_to:]]), key.public)

    assert fault(verdict) == ("altered", altered)
    assert verdict.fault is not None
    assert verdict.fault.epoch == epoch
