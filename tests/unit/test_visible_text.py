"""What a person sees is what is there."""

from __future__ import annotations

import sys
import unicodedata
from typing import Any

import pytest

from opsicle.domain.visible_text import visible, visible_value

SEEN: list[tuple[Any, str]] = [
    ("production", "production"),
    ("production\n", "production⏎"),
    ("production\t", "production⇥"),
    ("production ", "production␣"),
    ("  ", "␣␣"),
    ("", '""'),
    ("production\u00a0", "production⟨U+00A0⟩"),
    ("prod\u200buction", "prod⟨U+200B⟩uction"),
    ("\u202eproduction", "⟨U+202E⟩production"),
    ("production\ufe0f", "production⟨U+FE0F⟩"),
    ("production\u3164", "production⟨U+3164⟩"),
    ("\r\x1b[2K\x7f", "^M^[[2K^?"),
    ("Zürich 山田 ⚠\ufe0f", "Zürich 山田 ⚠\ufe0f"),
    (["a", "b"], '["a", "b"]'),
    (["a", 'b", "c'], '["a", "b\\", \\"c"]'),
    (["a\nb"], '["a⏎b"]'),
    ([], "[]"),
    (True, "true"),
    (7, "7"),
]


@pytest.mark.parametrize(("value", "shown"), SEEN, ids=[ascii(value) for value, _ in SEEN])
def test_a_value_is_shown_as_what_it_is(value: Any, shown: str) -> None:
    assert visible_value(value) == shown
    assert visible(shown) == shown, "again changes nothing"


def test_no_two_values_that_differ_by_what_is_not_seen_are_shown_alike() -> None:
    """Try each character that is not seen at the end, in the middle and at the beginning."""
    hidden = [
        char
        for char in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(char) in {"Cc", "Cf", "Zs"}
    ]
    for char in hidden:
        for text in (f"ab{char}", f"a{char}b", f"{char}ab"):
            if text != "a b":
                assert visible_value(text) not in {"ab", "a b", text}, ascii(text)


def test_what_is_kept_stays_and_nothing_else() -> None:
    assert visible("a\n\tb\r\x0b", keep="\n\t") == "a\n\tb^M^K"
