"""Old checkpoints are thinned out, and what a verification finds stays the same."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from opsicle.client.audit_export import verify_export
from opsicle.domain.errors import InvalidInput
from opsicle.security.audit_key import AuditKey
from opsicle.server.audit import thinning
from opsicle.server.audit.checkpoints import SIGN_AFTER
from opsicle.server.store import audit_checkpoints
from opsicle.wire.audit import Checkpoint, CheckpointGap, Signed
from tests.api.audit_changes import ALICE, DOCS, GINA, fault, sign, tamper, verdict, write
from tests.api.running_server import ApiServer

DAYS, A_DAY = 12, 4


@pytest.fixture
def old_record(api_server: ApiServer) -> ApiServer:
    """Return a server whose org acme has a record of twelve days, and some entries behind them.

    Each day has four checkpoints.
    """
    api_server.clock.advance(seconds=(24 - api_server.clock.now().hour) * 3600)
    for _ in range(DAYS):
        for _ in range(A_DAY):
            api_server.clock.advance(hours=24 / A_DAY)
            write(api_server, 5)
            api_server.services.audit_checkpoints.sign_due()
    return api_server


def kept(api_server: ApiServer, email: str = ALICE) -> list[Signed]:
    org_id = api_server.actor(email).org_id
    return api_server.state.read(lambda db: audit_checkpoints.list_kept(db, org_id))


def numbers(api_server: ApiServer) -> list[int]:
    return [part.number for part in kept(api_server) if isinstance(part, Checkpoint)]


def thin(api_server: ApiServer) -> int:
    return api_server.services.audit_checkpoints.thinning.thin()


def export(api_server: ApiServer) -> list[bytes]:
    return b"".join(api_server.services.audit.export(api_server.actor(ALICE))).splitlines(
        keepends=True
    )


def test_of_each_day_more_than_a_week_past_the_last_checkpoint_stays(old_record: ApiServer) -> None:
    before = [part for part in kept(old_record) if isinstance(part, Checkpoint)]
    limit = thinning.to_text(old_record.clock.now() - timedelta(days=7))[:10]
    days = [each.at[:10] for each in before]
    last_of = {day: each.number for each, day in zip(before, days, strict=True)}
    expected = [
        each.number
        for each, day in zip(before, days, strict=True)
        if day >= limit or each.number == last_of[day]
    ]

    removed = thin(old_record)

    assert removed == len(before) - len(expected) > A_DAY
    assert numbers(old_record) == expected
    assert thin(old_record) == 0
    assert verdict(old_record).is_intact


def test_an_export_verifies_as_before_and_says_that_it_has_gaps(
    old_record: ApiServer, tmp_path: Path
) -> None:
    first = export(old_record)
    thin(old_record)
    second = export(old_record)

    key = old_record.services.audit.public_key
    one, two = verify_export(first, key), verify_export(second, key)
    assert (one.is_intact, two.is_intact) == (True, True), two.fault
    assert (one.entries, one.signed_to) == (two.entries, two.signed_to)
    assert two.checkpoints < one.checkpoints
    assert [json.loads(lines[0])["format"] for lines in (first, second)] == [1, 2]
    newest = [line for line in first if b'"type":"checkpoint"' in line][-1]
    assert newest in second

    program = DOCS.read_text().split("```python\n")[1].split("```")[0]
    (tmp_path / "verify.py").write_text(program)
    (tmp_path / "key.pem").write_text(key.pem)
    for lines, status in [(second, 0), (without(second, b'"type":"gap"'), 1)]:
        (tmp_path / "export").write_bytes(b"".join(lines))
        command = [
            sys.executable,
            tmp_path / "verify.py",
            tmp_path / "export",
            tmp_path / "key.pem",
        ]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == status, done.stdout + done.stderr


def has_gaps_side_by_side(parts: list[Signed]) -> bool:
    return any(
        isinstance(one, CheckpointGap) and isinstance(next_, CheckpointGap)
        for one, next_ in pairwise(parts)
    )


def without(lines: list[bytes], mark: bytes) -> list[bytes]:
    """Return the lines without the first one that has this in it."""
    found = next(line for line in lines if mark in line)
    return [line for line in lines if line is not found]


def test_a_later_thinning_widens_the_gaps_that_there_are(old_record: ApiServer) -> None:
    thin(old_record)
    old_record.clock.advance(days=30)
    write(old_record, 1)
    sign(old_record)
    thin(old_record)

    parts = kept(old_record)
    assert len(numbers(old_record)) <= DAYS + 2
    assert not has_gaps_side_by_side(parts)
    assert verdict(old_record).is_intact


def test_many_are_thinned_out_in_steps(
    old_record: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    thin_at_once = numbers(old_record)
    monkeypatch.setattr(thinning, "AT_ONCE", 2)

    assert thin(old_record) == len(thin_at_once) - len(numbers(old_record))
    assert verdict(old_record).is_intact
    parts = kept(old_record)
    assert not has_gaps_side_by_side(parts)


def test_that_with_which_an_export_ended_stays(old_record: ApiServer) -> None:
    export(old_record)
    newest = numbers(old_record)[-1]
    for _ in range(3):
        old_record.clock.advance(seconds=SIGN_AFTER.total_seconds())
        write(old_record, 1)
        old_record.services.audit_checkpoints.sign_due()
    old_record.clock.advance(days=30)
    write(old_record, 1)
    sign(old_record)

    thin(old_record)

    assert newest in numbers(old_record)
    assert newest + 1 not in numbers(old_record)


def test_what_shows_that_a_record_was_cut_off_and_written_on_stays(old_record: ApiServer) -> None:
    org_id = old_record.actor(ALICE).org_id
    proof = [part for part in kept(old_record) if isinstance(part, Checkpoint)][A_DAY]
    tamper(
        old_record,
        "UPDATE audit_entries SET hash = zeroblob(32) WHERE org_id = ? AND seq = ?",
        org_id,
        proof.seq,
    )

    thin(old_record)

    assert proof.number in numbers(old_record)
    assert fault(verdict(old_record)) == ("altered", proof.seq)


def test_where_a_checkpoint_is_wrong_none_is_thinned_out(old_record: ApiServer) -> None:
    org_id = old_record.actor(ALICE).org_id
    tamper(
        old_record,
        "UPDATE audit_checkpoints SET seq = seq + 1 WHERE org_id = ? AND number = 3",
        org_id,
    )
    before = numbers(old_record)

    assert thin(old_record) == 0

    assert numbers(old_record) == before
    assert fault(verdict(old_record)) == ("checkpoint", 3)


@pytest.mark.parametrize("email", [ALICE, GINA])
def test_one_chain_of_two_is_thinned_out_for_itself(old_record: ApiServer, email: str) -> None:
    thin(old_record)
    assert verdict(old_record, email).is_intact
    assert any(isinstance(part, CheckpointGap) for part in kept(old_record, email)) == (
        email == ALICE
    )


CUT = """
    DELETE FROM audit_entries
     WHERE org_id = :org AND seq > (SELECT max(seq) - 3 FROM audit_entries WHERE org_id = :org)
"""
CHANGES = {
    "cut off": (CUT, "cut_off"),
    "an old entry": (
        "UPDATE audit_entries SET verb = 'x' WHERE org_id = :org AND seq = 7",
        "altered",
    ),
    "a checkpoint": (
        "DELETE FROM audit_checkpoints WHERE org_id = :org AND number = :number",
        "checkpoint",
    ),
    "a gap": ("DELETE FROM audit_checkpoint_gaps WHERE org_id = :org", "checkpoint"),
    "a gap's end": (
        "UPDATE audit_checkpoint_gaps SET last = last + 1 WHERE org_id = :org",
        "checkpoint",
    ),
    "a gap's hash": (
        "UPDATE audit_checkpoint_gaps SET hash = previous WHERE org_id = :org",
        "checkpoint",
    ),
    "what comes after the gaps": (
        "DELETE FROM audit_checkpoints WHERE org_id = :org",
        "checkpoint",
    ),
}


@pytest.mark.parametrize(("sql", "kind"), CHANGES.values(), ids=CHANGES)
def test_what_is_changed_in_a_thinned_record_is_noticed(
    old_record: ApiServer, sql: str, kind: str
) -> None:
    thin(old_record)
    sign(old_record)
    given = {"org": old_record.actor(ALICE).org_id, "number": numbers(old_record)[1]}
    old_record.state.write(lambda db: strip(db, sql, given))

    assert fault(verdict(old_record))[0] == kind
    assert verify_export(export(old_record), old_record.services.audit.public_key).fault


def strip(db: Any, sql: str, given: dict[str, object]) -> None:
    for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    db.execute(sql, {name: value for name, value in given.items() if f":{name}" in sql})
    db.execute("DELETE FROM audit_heads")


def test_a_gap_that_another_key_has_signed_is_none(old_record: ApiServer) -> None:
    thin(old_record)
    forger, lines = AuditKey.create(), export(old_record)
    place = next(n for n, line in enumerate(lines) if b'"type":"gap"' in line)
    gap = msgspec.json.decode(lines[place], type=CheckpointGap)
    forged = msgspec.structs.replace(
        gap, signature=forger.sign(old_record.actor(ALICE).org_id, gap)
    )
    lines[place] = msgspec.json.encode(forged) + b"\n"

    assert fault(verify_export(lines, None)) == ("checkpoint", gap.first)


def test_an_export_of_a_format_that_is_not_known_is_refused_with_the_way_out(
    old_record: ApiServer,
) -> None:
    lines = [line.replace(b'"format":1', b'"format":3') for line in export(old_record)]
    with pytest.raises(InvalidInput, match="format 3, this program knows 1 and 2"):
        verify_export(lines, None)
