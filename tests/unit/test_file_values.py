"""The text by which a value names a file, and what files may be called."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.files import FileValue, InputFile, input_files, read_file_value
from opsicle.domain.template_parser import parse_template
from opsicle.domain.templates import Variable, VariableType
from opsicle.domain.variables import check_values

DIGEST = "0a" * 32
FILE = Variable(id="r", type=VariableType.FILE, pattern=r".*\.csv", min=2, max=9)


@pytest.mark.parametrize(
    "name", ["r.csv", f"sha256:{DIGEST}, 1 bytes, x", ", ", "-rf", "é ü", "x" * 255]
)
def test_a_file_reads_back_as_it_was_written(name: str) -> None:
    value = FileValue(DIGEST, 2**50, name)

    assert read_file_value(value.text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "r.csv",
        DIGEST,
        f"sha256:{DIGEST}, 1 bytes, ",
        f"sha256:{DIGEST.upper()}, 1 bytes, r.csv",
        f"sha256:{DIGEST[:-1]}, 1 bytes, r.csv",
        f"sha256:{DIGEST}, 01 bytes, r.csv",
        f"sha256:{DIGEST}, -1 bytes, r.csv",
        f"sha256:{DIGEST}, 1 bytes, ../r.csv",
        f"sha256:{DIGEST}, 1 bytes, a\nb",
        f"sha256:{DIGEST}, 1 bytes, {'x' * 256}",
        7,
        None,
    ],
)
def test_what_names_no_file_is_none(text: object) -> None:
    assert read_file_value(text) is None
    with pytest.raises(ValueError, match="names no file"):
        input_files([FILE], {"r": [text]})


@pytest.mark.parametrize(
    ("size", "name", "said"),
    [(1, "r.csv", "at least 2 bytes"), (10, "r.csv", "at most 9 bytes"), (5, "r.txt", "pattern")],
)
def test_bounds_are_for_the_size_and_the_pattern_for_the_name(
    size: int, name: str, said: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_values([FILE], {"r": FileValue(DIGEST, size, name).text})

    assert said in refused.value.problems[0].message
    good = FileValue(DIGEST, 5, "r.csv")
    assert input_files([FILE], check_values([FILE], {"r": good.text})) == (
        InputFile(variable="r", position=0, **good._asdict()),
    )


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("default: r.csv", "a document holds no files"),
        ("min: -1", "size in bytes"),
        ("max: 1.5", "whole number"),
        ("options: [a]", "only a variable of type `enum`"),
    ],
)
def test_what_a_variable_cannot_say_of_a_file_is_a_mistake(field: str, said: str) -> None:
    source = (
        "{apiVersion: v1, type: AutomationTemplate, metadata: {name: a}, spec: {variables: "
        f"[{{id: r, type: file, {field}}}], template: {{phases: [{{name: a, commands: [b]}}]}}}}}}"
    )

    with pytest.raises(InvalidInput) as refused:
        parse_template(source.encode())

    assert said in refused.value.problems[0].message
