"""Sealing what must be read again."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import Conflict
from opsicle.security.sealing import Seal, new_key


def test_what_is_sealed_opens_in_its_context_alone() -> None:
    seal = Seal(new_key())
    sealed = seal.close(b"seed", "of alice")

    assert b"seed" not in sealed
    assert sealed != seal.close(b"seed", "of alice")
    assert seal.open(sealed, "of alice") == b"seed"
    with pytest.raises(Conflict, match="cannot open"):
        seal.open(sealed, "of bob")


def test_what_was_altered_or_sealed_under_another_key_does_not_open() -> None:
    seal = Seal(new_key())
    sealed = seal.close(b"seed", "x")
    for at in range(len(sealed)):
        altered = bytes(byte ^ (i == at) for i, byte in enumerate(sealed))
        with pytest.raises(Conflict):
            seal.open(altered, "x")

    for length in range(len(sealed)):
        with pytest.raises(Conflict):
            seal.open(sealed[:length], "x")
    with pytest.raises(Conflict):
        Seal(new_key()).open(sealed, "x")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_damaged_key_is_refused(length: int) -> None:
    with pytest.raises(Conflict, match="damaged"):
        Seal(b"k" * length)
