"""Nothing that is sealed opens anywhere else, altered, or under another key."""

from __future__ import annotations

import pytest

from opsicle.security.master_key import CannotOpen, MasterKey, Sealed

PLACE = ("secret", "org-1", "db-password", "1")


@pytest.fixture
def key() -> MasterKey:
    return MasterKey.create()


def test_what_was_sealed_opens(key: MasterKey) -> None:
    assert (
        MasterKey.from_text(key.text).open(PLACE, key.seal(PLACE, b"correct horse"))
        == b"correct horse"
    )


def test_the_same_value_never_looks_the_same_twice(key: MasterKey) -> None:
    first, second = key.seal(PLACE, b"correct horse"), key.seal(PLACE, b"correct horse")

    assert first.wrapped_key != second.wrapped_key
    assert first.ciphertext != second.ciphertext
    assert b"correct" not in first.wrapped_key + first.ciphertext


@pytest.mark.parametrize(
    "place",
    [
        ("secret", "org-2", "db-password", "1"),
        ("secret", "org-1", "db-passwort", "1"),
        ("secret", "org-1", "db-password", "2"),
        ("values", "org-1", "db-password", "1"),
        ("secret", "org-1db-password", "", "1"),
    ],
)
def test_it_does_not_open_at_another_place(key: MasterKey, place: tuple[str, ...]) -> None:
    with pytest.raises(CannotOpen):
        key.open(place, key.seal(PLACE, b"correct horse"))


def test_it_does_not_open_under_another_key(key: MasterKey) -> None:
    with pytest.raises(CannotOpen):
        MasterKey.create().open(PLACE, key.seal(PLACE, b"correct horse"))


def test_every_altered_byte_is_noticed(key: MasterKey) -> None:
    sealed = key.seal(PLACE, b"correct horse")
    for i in range(len(sealed.wrapped_key)):
        altered = bytearray(sealed.wrapped_key)
        altered[i] ^= 1
        with pytest.raises(CannotOpen):
            key.open(PLACE, Sealed(bytes(altered), sealed.ciphertext))
    for i in range(len(sealed.ciphertext)):
        altered = bytearray(sealed.ciphertext)
        altered[i] ^= 1
        with pytest.raises(CannotOpen):
            key.open(PLACE, Sealed(sealed.wrapped_key, bytes(altered)))


def test_halves_of_two_envelopes_do_not_make_a_third(key: MasterKey) -> None:
    first, second = key.seal(PLACE, b"first value"), key.seal(PLACE, b"other value")
    with pytest.raises(CannotOpen):
        key.open(PLACE, Sealed(first.wrapped_key, second.ciphertext))


def test_a_rewrapped_value_opens_under_the_new_key_alone(key: MasterKey) -> None:
    new = MasterKey.create()
    rewrapped = key.rewrap(PLACE, key.seal(PLACE, b"correct horse"), new)

    assert new.open(PLACE, rewrapped) == b"correct horse"
    with pytest.raises(CannotOpen):
        key.open(PLACE, rewrapped)


def test_the_key_is_not_shown(key: MasterKey) -> None:
    assert key.text.strip() not in repr(key)
    assert repr(key.key) not in repr(key)


@pytest.mark.parametrize("text", ["", "short", "AAAA", "not base64 at all!", "A" * 100])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not base64|bytes instead of"):
        MasterKey.from_text(text)
