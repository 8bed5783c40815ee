"""JSON as most programs write it: characters beyond U+FFFF as two escapes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsicle.cli.documents import read_values_file
from opsicle.domain.errors import InvalidInput
from opsicle.domain.problems import Problems
from opsicle.domain.template_parser import parse_document
from opsicle.domain.templates import Template
from opsicle.domain.yaml_documents import load, plain

PARTY = "\N{PARTY POPPER}"


def loaded(source: str) -> object:
    return plain(load(source.encode(), Problems()))


@pytest.mark.parametrize("escape", [r"\ud83c\udf89", r"\uD83C\uDF89", r"\uD83c\uDf89"])
def test_two_escapes_are_one_character(escape: str) -> None:
    assert loaded(f'{{"v": "{escape} done{escape}{escape}", "{escape}": 1}}') == {
        "v": f"{PARTY} done{PARTY}{PARTY}",
        PARTY: 1,
    }


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30))
def test_whatever_json_writes_is_read_back(text: str) -> None:
    assert loaded(json.dumps({"v": text, "list": [text]})) == {"v": text, "list": [text]}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (r"v: \ud83c\udf89", r"\ud83c\udf89"),
        (r"v: 'it \ud83c\udf89'", r"it \ud83c\udf89"),
        ("v: |\n  printf '\\ud83c\\uDF89'\n", "printf '\\ud83c\\uDF89'\n"),
        ("v: >-\n  \\\\ud83c\\udf89\n", r"\\ud83c\udf89"),
        (r'v: "\\ud83c and \\udf89"', r"\ud83c and \udf89"),
        (r'v: "\\\ud83c\udf89"', "\\" + PARTY),
    ],
)
def test_only_in_double_quotes_is_it_an_escape(source: str, value: str) -> None:
    assert loaded(source) == {"v": value}


def test_a_private_character_in_the_text_stays_what_it_is() -> None:
    assert loaded(
        f'{{"v": "\ue000abcdabcd {"".join(map(chr, range(0xE000, 0xE010)))} \\ud83c\\udf89"}}'
    ) == {"v": f"\ue000abcdabcd {''.join(map(chr, range(0xE000, 0xE010)))} {PARTY}"}


@pytest.mark.parametrize(
    "half", [r"\ud83c", r"\udf89", r"\udf89\ud83c", r"\ud83c\ud83c\udf89", r"\ud83c x \udf89"]
)
def test_a_lone_half_is_a_mistake_on_its_line(half: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        loaded(f'{{\n"w": 1,\n"v": "{half}"}}')

    (problem,) = caught.value.problems
    assert problem.line == 3
    assert "halves of one character" in problem.message


def test_templates_and_values_files_take_them(tmp_path: Path) -> None:
    template = {
        "apiVersion": "v1",
        "type": "AutomationTemplate",
        "metadata": {"name": "party", "labels": {"mood": PARTY}},
        "spec": {
            "variables": [{"id": "v", "type": "string", "default": PARTY}],
            "template": {"phases": [{"name": "one", "commands": [f"echo {PARTY}"]}]},
        },
    }
    values = tmp_path / "values.json"
    values.write_text(json.dumps({"v": f"{PARTY} done"}))

    parsed = parse_document(json.dumps(template).encode())
    assert isinstance(parsed, Template)
    assert parsed.labels == {"mood": PARTY}
    assert parsed.variables[0].default == PARTY
    assert parsed.phases[0].commands == (f"echo {PARTY}",)
    assert read_values_file(values) == {"v": f"{PARTY} done"}
