"""The setup token, and the bearer tokens of people."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsicle.domain.errors import InvalidInput, NotAuthenticated
from opsicle.security import api_tokens, join_token, setup_token

FINGERPRINT = "sha256:" + "0123456789abcdef" * 4
SETUP = setup_token.new(FINGERPRINT)
API_TOKEN, API_HASH = api_tokens.new_api_token()


def test_a_setup_token_brings_the_secret_and_the_cas_fingerprint() -> None:
    parsed = setup_token.parse(SETUP.text + "\n")

    assert parsed == SETUP
    assert parsed.fingerprint == FINGERPRINT
    assert parsed.matches(SETUP.hash)


def test_a_setup_token_does_not_match_anothers_hash() -> None:
    assert not setup_token.new(FINGERPRINT).matches(SETUP.hash)
    assert not SETUP.matches("")


def test_what_is_stored_of_a_setup_token_tells_nothing_of_it() -> None:
    assert SETUP.secret.hex() not in SETUP.hash
    assert "secret" not in repr(SETUP)


@given(st.integers(0, len(SETUP.text) - 1), st.characters())
@settings(max_examples=200)
def test_a_mistyped_setup_token_is_refused(position: int, character: str) -> None:
    mistyped = SETUP.text[:position] + character + SETUP.text[position + 1 :]
    if mistyped.strip() == SETUP.text:
        return

    with pytest.raises(InvalidInput, match="setup token"):
        setup_token.parse(mistyped)


def test_a_join_token_is_no_setup_token() -> None:
    with pytest.raises(InvalidInput, match="this is not a setup token"):
        setup_token.parse(join_token.new("https://ops.example").text)


@pytest.mark.parametrize(
    ("make", "prefix"),
    [(api_tokens.new_api_token, "opsu_"), (api_tokens.new_session_token, "opss_")],
)
def test_a_new_token_has_its_prefix_the_right_form_and_its_hash(make, prefix: str) -> None:
    text, stored = make()

    assert text.startswith(prefix)
    assert len(text) == len("opsu_") + 40 + 6
    assert text.removeprefix(prefix).isalnum()
    api_tokens.check_format(text)
    assert api_tokens.token_hash(text) == stored
    assert text not in stored


def test_no_two_tokens_are_alike() -> None:
    assert len({api_tokens.new_api_token()[0] for _ in range(100)}) == 100


@given(st.integers(0, len(API_TOKEN) - 1), st.characters())
@settings(max_examples=300)
def test_a_mistyped_token_is_told_without_asking_anybody(position: int, character: str) -> None:
    mistyped = API_TOKEN[:position] + character + API_TOKEN[position + 1 :]
    if mistyped == API_TOKEN:
        return

    with pytest.raises(NotAuthenticated):
        api_tokens.check_format(mistyped)


@pytest.mark.parametrize(
    "text", ["", "opsu_", "opss_" + API_TOKEN[5:], API_TOKEN[:-1], API_TOKEN + "a", " " + API_TOKEN]
)
def test_what_is_no_token_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(NotAuthenticated) as refusal:
        api_tokens.check_format(text)
    assert API_TOKEN[8:20] not in refusal.value.message + refusal.value.hint
