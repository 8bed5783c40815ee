"""Passwords: which are taken, how they are stored, and what checking one costs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from opsicle.domain.errors import InvalidInput
from opsicle.kit import heap
from opsicle.security import passwords

GOOD = "correct horse battery"
STORED = passwords.hash_password(GOOD)


def test_the_right_password_fits_and_another_does_not() -> None:
    assert passwords.verify_password(STORED, GOOD)
    assert not passwords.verify_password(STORED, GOOD + "!")
    assert not passwords.verify_password(STORED, "")


def test_the_same_password_is_stored_differently_each_time() -> None:
    assert passwords.hash_password(GOOD) != STORED


def test_a_password_typed_on_another_system_is_the_same_password() -> None:
    composed, decomposed, ligature = (
        "café du monde ﬁn",
        "cafe\u0301 du monde fin",
        "café du monde fin",
    )
    stored = passwords.hash_password(composed)

    assert passwords.verify_password(stored, decomposed)
    assert passwords.verify_password(stored, ligature)


def test_a_password_is_stored_with_parameters_that_owasp_names() -> None:
    assert STORED.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert not passwords.needs_rehash(STORED)


@pytest.mark.parametrize(
    "stored",
    [STORED.replace("m=19456,t=2", "m=47104,t=1"), STORED.replace("argon2id", "argon2i"), ""],
)
def test_a_hash_of_other_parameters_is_made_anew(stored: str) -> None:
    assert passwords.needs_rehash(stored)


def test_a_hash_of_older_parameters_still_verifies() -> None:
    made = Argon2id(salt=b"sixteen bytes ok", length=32, iterations=1, lanes=1, memory_cost=8192)
    assert passwords.verify_password(made.derive_phc_encoded(GOOD.encode()), GOOD)


@pytest.mark.parametrize(("iterations", "memory"), [(5, 64), (1, 65537)])
def test_a_hash_that_costs_more_than_any_of_ours_is_not_computed(
    iterations: int, memory: int
) -> None:
    made = Argon2id(
        salt=b"sixteen bytes ok", length=32, iterations=iterations, lanes=1, memory_cost=memory
    )
    assert not passwords.verify_password(made.derive_phc_encoded(GOOD.encode()), GOOD)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "garbage",
        "$argon2id$",
        STORED[:-1],
        STORED.rpartition("$")[0] + "$",
        STORED.replace("$", "!"),
    ],
)
def test_a_damaged_hash_fits_no_password(stored: str) -> None:
    assert not passwords.verify_password(stored, GOOD)


def test_an_unknown_account_costs_as_much_time_as_a_known_one() -> None:
    assert not passwords.needs_rehash(passwords.DUMMY)
    assert not passwords.verify_password(passwords.DUMMY, GOOD)

    *_, dummy_salt, dummy_hash = passwords.DUMMY.split("$")
    *_, stored_salt, stored_hash = STORED.split("$")
    assert (
        passwords.DUMMY.rpartition("$")[0].rpartition("$")[0]
        == STORED.rpartition("$")[0].rpartition("$")[0]
    )
    assert (len(dummy_salt), len(dummy_hash)) == (len(stored_salt), len(stored_hash)), (
        "the same work, to the byte"
    )


def test_logins_leave_the_process_no_bigger() -> None:
    heap.give_back_large_blocks()

    with ThreadPoolExecutor(2) as pool:
        before = _resident_kib()
        assert not any(pool.map(lambda _: passwords.verify_password(STORED, "wrong"), range(8)))
        assert _resident_kib() - before < 8 * 1024


def _resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


def test_an_overlong_password_is_refused_without_hashing_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(passwords, "Argon2id", None)  # nothing is left that could hash

    assert not passwords.verify_password(STORED, "a" * 10_000_000)
    with pytest.raises(AttributeError):
        passwords.verify_password(STORED, GOOD)


@pytest.mark.parametrize(
    "password",
    [GOOD, "a" * 11 + "b", "ab" * 512, "пароль из слов", "            x", "12345678901x"],
)
def test_length_is_the_only_composition_rule(password: str) -> None:
    passwords.check_password(password, email="alice@acme.example", name="Alice")


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("", "shorter than 12"),
        ("elevenchars", "shorter than 12"),
        ("ﬁﬁﬁ", "shorter than 12"),
        ("a" * 1025, "longer than 1024 bytes"),
        ("é" * 513, "longer than 1024 bytes"),
        ("Alice@Acme.Example", "own name or address"),
        ("alice.liddell.the.first", "own name or address"),
        ("Alice Pleasance Liddell", "own name or address"),
        ("alicepleasanceliddell", "own name or address"),
        ("aaaaaaaaaaaaaaaa", "one character repeated"),
    ],
)
def test_a_password_that_others_would_guess_is_refused_with_the_reason(
    password: str, message: str
) -> None:
    email = "alice.liddell.the.first@acme.example" if "first" in password else "alice@acme.example"

    with pytest.raises(InvalidInput, match=message) as refusal:
        passwords.check_password(password, email=email, name="Alice Pleasance Liddell")
    assert refusal.value.problems[0].path == "password"
    assert not password or password not in refusal.value.message
