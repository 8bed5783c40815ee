"""Codes of authenticator apps and recovery codes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opsicle.security import totp

RFC_SEED = b"12345678901234567890"
RFC_CODES = {
    59: "287082",
    1111111109: "081804",
    1111111111: "050471",
    1234567890: "005924",
    2000000000: "279037",
    20000000000: "353130",
}
"""RFC 6238, appendix B, the last six of its eight digits."""


@pytest.mark.parametrize("at", RFC_CODES)
def test_codes_are_those_of_the_rfc(at: int) -> None:
    time = datetime.fromtimestamp(at, UTC)
    assert totp.code(RFC_SEED, totp.step_of(time)) == RFC_CODES[at]
    assert totp.matching_step(RFC_SEED, RFC_CODES[at], time) == totp.step_of(time)


def test_a_code_matches_in_its_own_step_and_the_ones_beside_it() -> None:
    code, step = RFC_CODES[1234567890], 1234567890 // totp.STEP_SECONDS

    times = {n: datetime.fromtimestamp((step + n) * totp.STEP_SECONDS, UTC) for n in range(-3, 4)}
    matching = {n: totp.matching_step(RFC_SEED, code, at) for n, at in times.items()}
    assert matching == {-3: None, -2: None, -1: step, 0: step, 1: step, 2: None, 3: None}


@pytest.mark.parametrize("given", ["", "00592", "0059240", "٠٠٥٩٢٤", "abcdef", "é"])
def test_what_is_no_code_matches_nothing(given: str) -> None:
    assert totp.matching_step(RFC_SEED, given, datetime.fromtimestamp(1234567890, UTC)) is None


@pytest.mark.parametrize("typed", ["005924", "005 924", " 005-924\n"])
def test_people_may_type_spaces_and_hyphens(typed: str) -> None:
    assert totp.normalised(typed) == "005924"
    assert totp.is_code(totp.normalised(typed))


def test_recovery_codes_differ_and_are_no_codes_of_an_app() -> None:
    codes = totp.new_recovery_codes()

    assert len(set(codes)) == totp.RECOVERY_CODES
    assert not any(totp.is_code(totp.normalised(code)) for code in codes)
    assert totp.recovery_hash(codes[0]) == totp.recovery_hash(codes[0].upper().replace("-", " "))
    assert len({totp.recovery_hash(code) for code in codes}) == totp.RECOVERY_CODES
