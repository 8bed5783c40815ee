"""YAML as we take it: bounded in size, depth and time, never surprising."""

from __future__ import annotations

import contextlib
import time
import tracemalloc

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from opsicle.domain.errors import InvalidInput
from opsicle.domain.problems import Problems
from opsicle.domain.template_parser import parse_document
from opsicle.domain.yaml_documents import MAX_BYTES, load, plain

MAX_SECONDS = 0.1
MAX_MEMORY = 50 * 1024 * 1024

BILLION_LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b",".join([b"*%c" % (name - 1)] * 9))
    for name in range(ord("b"), ord("j"))
)
BOMBS = {
    "a billion laughs": (BILLION_LAUGHS, "more than 5,000 keys and values"),
    "one long text a thousand times": (
        b"a: &a " + b"x" * 500_000 + b"\nb: [" + b"*a," * 1_000 + b"]\n",
        "more than 1,048,576 characters",
    ),
    "lists 10,000 deep": (b"[" * 10_000, "nested deeper than 64"),
    "lists 10,000 deep and closed": (b"[" * 10_000 + b"]" * 10_000, "nested deeper than 64"),
    "mappings 10,000 deep": (b"{a: " * 10_000, "nested deeper than 64"),
    "blocks 10,000 deep": (b"- " * 10_000, "nested deeper than 64"),
    "keys 10,000 deep": (b"? " * 10_000, "a key must be text"),
    "deep lines": (b"".join(b" " * i + b"a:\n" for i in range(1_000)), "nested deeper than 64"),
    "2 MiB": (b"a: " + b"x" * 2 * MAX_BYTES, "larger than 1,048,576 bytes (1 MiB)"),
    "a million items": (b"[" + b"a," * 500_000 + b"]", "more than 5,000 keys and values"),
    "a million keys": (
        b"".join(b"k%d: 1\n" % i for i in range(90_000)),
        "more than 5,000 keys and values",
    ),
    "one key ever again": (b"a: 1\n" * 200_000, "more than 5,000 keys and values"),
    "a thousand documents": (b"--- a\n" * 100_000, "more than 5,000 keys and values"),
    "a thousand tags": (b"[" + b"!!str a," * 100_000 + b"]", "more than 5,000 keys and values"),
    "a long tag": (b"a: !" + b"x" * 900_000 + b" b", "mistake"),
    "a long anchor": (b"a: &" + b"x" * 900_000 + b" b", "mistake"),
    "unknown fields": (
        b"apiVersion: v1\ntype: Automation\n" + b"".join(b"field%d: 1\n" % i for i in range(2_400)),
        "mistakes",
    ),
    "a quote that never ends": (b'a: "' + b"x" * 900_000, "a quote or bracket is not closed"),
    "a megabyte of colons": (b":" * 1_000_000, "cannot be used"),
    "a megabyte of quotes": (b"'" * 1_000_000, "cannot be used"),
    "a megabyte of dashes": (b"-\n" * 500_000, "cannot be used"),
    "a megabyte of digits": (b"apiVersion: " + b"9" * 1_000_000, "mistake"),
    "a megabyte of line breaks": (b"\n" * 1_000_000, "it is empty"),
    "a megabyte of stars": (b"*" * 1_000_000, "cannot be used"),
    "a megabyte of NULs": (b"\0" * 1_000_000, "control character"),
}


@pytest.mark.parametrize(("source", "message"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_within_100_ms_and_50_mb(source: bytes, message: str) -> None:
    def refuse() -> float:
        started_at = time.process_time()
        with pytest.raises(InvalidInput) as caught:
            parse_document(source)
        seconds = time.process_time() - started_at
        said = caught.value.message + " ".join(problem.message for problem in caught.value.problems)
        assert message in said
        assert len(said) < 20_000
        return seconds

    assert any(refuse() < MAX_SECONDS for _ in range(5))
    tracemalloc.start()
    try:
        refuse()
        assert tracemalloc.get_traced_memory()[1] < MAX_MEMORY
    finally:
        tracemalloc.stop()


def read(source: str) -> object:
    """Return the document as plain values; fails if anything was wrong with it."""
    problems = Problems()
    node = load(source.encode(), problems)
    assert problems.listed() == ()
    return plain(node)


def test_an_alias_is_followed() -> None:
    assert read("a: &x {b: [1]}\nc: *x\nd: [*x]\n") == {
        "a": {"b": [1]},
        "c": {"b": [1]},
        "d": [{"b": [1]}],
    }


def test_an_anchor_can_be_given_anew() -> None:
    assert read("a: &x 1\nb: *x\nc: &x 2\nd: *x\n") == {"a": 1, "b": 1, "c": 2, "d": 2}


def test_an_anchor_of_another_document_is_not_known() -> None:
    with pytest.raises(InvalidInput, match="stands before or inside"):
        read("---\n&x\n---\na: *x\n")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("No", False),
        ("on", True),
        ("OFF", False),
        ("true", True),
        ("y", "y"),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("1.5", 1.5),
        ("1e3", "1e3"),
        ("1.0e+3", 1000.0),
        ("~", None),
        ("null", None),
        ("''", ""),
        ("'yes'", "yes"),
        ('"12"', "12"),
        ("2025-06-28", "2025-06-28"),
        ("2025-06-28 15:17:39 +0800", "2025-06-28 15:17:39 +0800"),
        ("010", "010"),
        ("1:30", "1:30"),
        ("9007199254740991", 9007199254740991),
        ("9007199254740992", "9007199254740992"),
        ("é", "é"),
    ],
)
def test_a_plain_scalar_means_what_it_means_in_yaml_1_1_or_else_stays_text(
    text: str, value: object
) -> None:
    assert read(f"a: {text}\n") == {"a": value}


@pytest.mark.parametrize(
    "around",
    ["{}", "---\n{}", "---\n{}...\n", "{}---\n", "\ufeff{}", "%YAML 1.1\n---\n{}", "# c\n\n{}"],
)
def test_blank_documents_marks_and_a_byte_order_mark_do_no_harm(around: str) -> None:
    assert read(around.replace("{}", "a: 1\n")) == {"a": 1}


def test_windows_line_ends_are_taken() -> None:
    assert read("a: 1\r\nb: |\r\n  x\r\n  y\r\n") == {"a": 1, "b": "x\ny\n"}


@given(
    st.binary(max_size=300)
    | st.text(max_size=300).map(lambda text: text.encode(errors="surrogatepass"))
)
def test_bytes_are_read_or_refused_never_anything_else(source: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        parse_document(source)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,? \n\t~.0<", max_size=80).map(str.encode))
def test_text_made_of_yaml_signs_is_read_or_refused_never_anything_else(source: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        plain(load(source, Problems()))


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abc-_ é1:", max_size=6), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), TREES, min_size=1), st.booleans())
def test_what_pyyaml_writes_is_read_back_alike(tree: dict[str, object], flow: bool) -> None:
    assert read(yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True)) == tree
