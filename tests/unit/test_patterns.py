"""Patterns agree with Python's `re` wherever both take them, and cost no more than linear time."""

from __future__ import annotations

import re
import time
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsicle.domain.patterns import MAX_MATCHED_CHARACTERS, BadPattern, Pattern

ODD = "".join(chr(0x400 + 3 * i) for i in range(900))
"""Characters that do not stand beside each other, so that a class of them has as many ranges."""


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("", [""], ["a"]),
        ("abc", ["abc"], ["ab", "abcd", "ABC", ""]),
        ("^abc$", ["abc"], ["^abc$", "abc\n"]),
        ("a|bc|", ["a", "bc", ""], ["abc", "b"]),
        ("[a-z0-9-]{1,3}", ["a", "a-9"], ["", "abcd", "A"]),
        ("[^/]+", ["a b"], ["a/b", ""]),
        (r"\d+(\.\d+)?", ["1", "1.25"], ["1.", ".5", "٣"]),
        (r"[\w.+-]+@[\w-]+(\.[\w-]+)+", ["ada@example.com"], ["ada@example", "@a.b"]),
        ("(ab){2,}", ["abab", "ababab"], ["ab", "aba"]),
        ("(?:a?b){0,2}", ["", "b", "ab", "bab", "abab"], ["a", "ababb"]),
        ("a{2}", ["aa"], ["a", "aaa"]),
        ("a.c", ["abc", "a\tc"], ["a\nc", "ac"]),
        (r"\(\*\)\\", ["(*)\\"], ["(*)"]),
        (r"[\]\-\d]+", ["]-1"], ["a"]),
        ("a+?b*?", ["a", "aab"], ["b"]),
        ("[é-ü]", ["ö"], ["o"]),
        (r"\S+\s\S+", ["a b"], ["a  b", "ab"]),
        ("-", ["-"], []),
        ("[a-]", ["a", "-"], ["b"]),
        # Where RE2's own language, or Python's, says something else.
        (r"\s", [" ", "\t", "\n", "\v", "\f", "\r"], ["\x85", "\u00a0", ""]),
        (r"[\s]", ["\v"], ["s"]),
        (r"\S", ["\u00a0", "é"], ["\v"]),
        (r"\w", ["_", "Z", "0"], ["é", "٣", "-"]),
        (r"\W\D", ["é٣", "\n\n"], ["aa", "-1"]),
        ("[^a]", ["\n", "😀"], ["a", "😀😀"]),
        (".", ["\r", "\u2028", "😀"], ["\n"]),
        ("a$", ["a"], ["a\n"]),
        ("^a|b$", ["a", "b"], ["ax", "xb"]),
        ("[[:alpha:]", ["[", ":", "l"], ["b"]),
        (r"\-\_\€", ["-_€"], []),
        ("A", ["A"], ["a"]),
        ("a{002}", ["aa"], ["a"]),
        ("(?:)|(a|)*", ["", "aa"], ["b"]),
    ],
)
def test_a_pattern_stands_for_the_whole_text(
    pattern: str, matching: list[str], others: list[str]
) -> None:
    assert [text for text in matching if not Pattern(pattern).matches(text)] == []
    assert [text for text in others if Pattern(pattern).matches(text)] == []


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a", "a `(` has no `)`"),
        ("a)", "a `)` has no `(`"),
        ("[a", "a `[` has no `]`"),
        ("[]", "a `[]` is empty"),
        ("[z-a]", "runs backwards"),
        (r"[\d-z]", "runs backwards or has no clear end"),
        (r"[\D]", "not taken inside"),
        ("*a", "a `*` stands where it means nothing"),
        ("a**", "two repetitions stand side by side"),
        ("a{,3}", "a repetition is written"),
        ("a{x}", "a repetition is written"),
        ("a{3", "a `{` has no `}`"),
        ("a{3,2}", "runs backwards"),
        ("a{1000}", "numbers up to 999"),
        ("a{501}", "more than 500 characters"),
        ("(a{50}){50}", "more than 500 characters"),
        ("((()*{999}){999}){999}".replace("*{", "{"), "more than 500 characters"),
        ("a^b", "a `^` stands where it means nothing"),
        ("a$b", "a `$` stands where it means nothing"),
        (r"\1", r"`\1` is not taken"),
        (r"\b", r"`\b` is not taken"),
        ("a\\", "a lone"),
        ("(?=a)", "groups that begin with `(?` are not taken"),
        ("(?P<n>a)", "groups that begin with `(?` are not taken"),
        ("(?i)a", "groups that begin with `(?` are not taken"),
        ("(" * 100 + ")" * 100, "nested deeper than 30"),
        ("}", "a `}` stands where it means nothing"),
        ("]", "a `]` stands where it means nothing"),
        ("(|*a)", "a `*` stands where it means nothing"),
        ("{2}", "a `{` stands where it means nothing"),
        ("(?:?)", "a `?` stands where it means nothing"),
        ("[^]", "a `[]` is empty"),
        (r"[a\]", "a `[` has no `]`"),
        (r"[\b]", r"`\b` is not taken"),
        # What RE2 would take, and gives no linear time, another meaning or a flag.
        ("(?<=a)b", "groups that begin with `(?` are not taken"),
        ("(?!a)", "groups that begin with `(?` are not taken"),
        ("(?s:.)", "groups that begin with `(?` are not taken"),
        (r"\pL", r"`\p` is not taken"),
        (r"\Qa.b\E", r"`\Q` is not taken"),
        (r"\x41", r"`\x` is not taken"),
        (r"\Aa\z", r"`\A` is not taken"),
        (r"(a)\1", r"`\1` is not taken"),
        ("[[:alpha:]]", "a `]` stands where it means nothing"),
        (f"[{ODD}]{{500}}", "it takes too much memory"),
    ],
)
def test_what_is_no_pattern_is_refused_with_the_reason(pattern: str, message: str) -> None:
    with pytest.raises(BadPattern) as caught:
        Pattern(pattern)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "(a+)+b",
            "(a|a)*b",
            "(a|aa)+b",
            "(.*)*b",
            "a*a*a*a*a*a*b",
            "(a?){250}b",
            "((a{0,9}){0,9}){0,5}b",
        ),
        *("(?:.*.*){124}b", "(?:.*a.{200}){2}b", "(?:[ab]*a.{7}|[ab]*b.{7}){20}x"),
    ],
)
def test_a_pattern_that_would_take_years_by_backtracking_takes_no_time(pattern: str) -> None:
    compiled = Pattern(pattern)
    started_at = time.process_time()

    assert not compiled.matches("a" * MAX_MATCHED_CHARACTERS)
    assert time.process_time() - started_at < 0.5


ATOMS = st.sampled_from(
    [
        *(
            "a",
            "b",
            "1",
            "é",
            ".",
            r"\.",
            r"\n",
            "[ab]",
            "[^a]",
            "[a-é]",
            "[^\n]",
            "(a|b)",
            "(?:ab)",
            "(b|)",
        ),
        *(r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"[^\s-]", r"[\w.]", r"[\]\\]", r"[\d-]"),
    ]
)
TIMES = st.sampled_from(["", "", "*", "+", "?", "{2}", "{0,2}", "{1,}", "*?", "{0}", "??"])
PIECES = st.lists(st.builds("{}{}".format, ATOMS, TIMES), max_size=3).map("".join)
PATTERNS = PIECES | st.builds("{}({}|{}){}".format, PIECES, PIECES, PIECES, TIMES)


@given(PATTERNS, st.text(alphabet="ab1.\n\v é-]\\\x85٣😀_", max_size=6))
def test_patterns_agree_with_python(pattern: str, text: str) -> None:
    assert Pattern(pattern).matches(text) == bool(re.fullmatch(pattern, text, re.ASCII))


@given(st.text(alphabet=r"ab[](){}*+?|^$\.-,0129dwDZ:=!<é", max_size=30))
def test_any_text_is_a_pattern_that_python_takes_too_or_is_refused(text: str) -> None:
    try:
        pattern = Pattern(text)
    except BadPattern:
        return

    with warnings.catch_warnings():
        # Python may once read `[[` and `--` in another way.
        warnings.simplefilter("ignore", FutureWarning)
        python = re.compile(text, re.ASCII)

    for value in ("", "ab01", "-", "é.", "D"):
        assert pattern.matches(value) == bool(python.fullmatch(value))
