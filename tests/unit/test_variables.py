"""Values: checked against their variables, and as commands see them."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsicle.domain.errors import InvalidInput
from opsicle.domain.templates import Value, Variable, VariableType
from opsicle.domain.value_checks import MAX_VALUE_BYTES
from opsicle.domain.variables import check_values, environment, parse_text

STRING = Variable(id="x")
TEXT = Variable(id="x", type=VariableType.TEXT)
BOOL = Variable(id="x", type=VariableType.BOOL)
NUMBER = Variable(id="x", type=VariableType.NUMBER, min=-5, max=100)
FLOAT = Variable(id="x", type=VariableType.FLOAT, min=0.5)
ENUM = Variable(id="x", type=VariableType.ENUM, options=("dev", "prod", 3, 1.5))
DATE = Variable(id="x", type=VariableType.DATE)
PATTERN = Variable(id="x", pattern="[a-z]+(-[a-z]+)*")
SHORT = Variable(id="x", min=2, max=4)
MANY = Variable(id="x", multiple=True)
NUMBERS = Variable(id="x", type=VariableType.NUMBER, multiple=True, max=9)
REQUIRED = Variable(id="x", is_required=True)

GOOD: list[tuple[Variable, object, Value]] = [
    (STRING, "", ""),
    (STRING, "two\nlines", "two\nlines"),
    (TEXT, "$(id) `id` ' \" \\", "$(id) `id` ' \" \\"),
    (BOOL, False, False),
    (NUMBER, -5, -5),
    (NUMBER, 100, 100),
    (FLOAT, 0.5, 0.5),
    (FLOAT, 3, 3.0),
    (ENUM, "dev", "dev"),
    (ENUM, 3, 3),
    (ENUM, "3", 3),
    (ENUM, "1.5", 1.5),
    (DATE, "2024-02-29", "2024-02-29"),
    (PATTERN, "a-b-c", "a-b-c"),
    (SHORT, "äöü", "äöü"),
    (MANY, [], []),
    (MANY, ["a", "b b"], ["a", "b b"]),
    (NUMBERS, [1, 2], [1, 2]),
    (REQUIRED, " ", " "),
]


@pytest.mark.parametrize(("variable", "given", "value"), GOOD)
def test_a_value_that_fits_its_variable_is_taken(
    variable: Variable, given: object, value: Value
) -> None:
    checked = check_values([variable], {"x": given})["x"]
    assert checked == value
    assert type(checked) is type(value)


BAD: list[tuple[Variable, object, str]] = [
    (STRING, 3, "must be text, not a whole number"),
    (STRING, True, "must be text, not a boolean"),
    (STRING, ["a"], "must be text, not a list"),
    (STRING, {"a": 1}, "must be text, not an object"),
    (STRING, "a\0b", "holds a NUL"),
    (STRING, "\ud800", "holds a NUL or another character that is no text"),
    (STRING, "x" * (MAX_VALUE_BYTES + 1), "is larger than 64 KiB"),
    (STRING, "ä" * (MAX_VALUE_BYTES // 2 + 1), "is larger than 64 KiB"),
    (BOOL, "true", "must be true or false, not text"),
    (BOOL, 1, "must be true or false, not a whole number"),
    (NUMBER, "3", "must be a whole number, not text"),
    (NUMBER, True, "must be a whole number, not a boolean"),
    (NUMBER, 3.0, "must be a whole number, not a decimal number"),
    (NUMBER, -6, "must be at least -5, not -6"),
    (NUMBER, 101, "must be at most 100, not 101"),
    (NUMBER, 2**53, "must be between"),
    (FLOAT, "1", "must be a number, not text"),
    (FLOAT, False, "must be a number, not a boolean"),
    (FLOAT, float("nan"), "must be a finite number"),
    (FLOAT, float("inf"), "must be a finite number"),
    (FLOAT, 10**400, "must be a finite number"),
    (FLOAT, 0.4, "must be at least 0.5, not 0.4"),
    (
        ENUM,
        "prd",
        "`prd` is not an option (did you mean `prod`?); it must be `dev`, `prod`, `3` or `1.5`",
    ),
    (ENUM, True, "`true` is not an option"),
    (ENUM, ["dev"], "not a list"),
    (DATE, "2025-02-29", "is not a date such as 2026-01-31"),
    (DATE, "20250101", "is not a date"),
    (DATE, "2025-W01-1", "is not a date"),
    (DATE, "2025-01-01\n", "is not a date"),
    (DATE, "\u0662025-01-01", "is not a date"),
    (DATE, 20250101, "must be text"),
    (PATTERN, "a-", "does not match the pattern"),
    (PATTERN, "a\n", "does not match the pattern"),
    (
        Variable(id="x", pattern="a{501}"),
        "a",
        "cannot be matched: `a{501}` is no pattern: it stands for more than 500",
    ),
    (PATTERN, "a" * 1_001, "has 1,001 characters; with a pattern at most 1,000 are allowed"),
    (SHORT, "a", "must be at least 2 characters long, not 1"),
    (SHORT, "abcde", "must be at most 4 characters long, not 5"),
    (MANY, "a", "must be a list"),
    (MANY, ["a", 3], "must be text"),
    (MANY, ["a\nb"], "an item must be one line"),
    (MANY, ["a"] * 1_001, "has 1,001 items; at most 1,000"),
    (MANY, ["x" * 1_000] * 66, "is larger than 64 KiB"),
    (NUMBERS, [1, 10], "must be at most 9, not 10"),
    (REQUIRED, None, "is required, and it has no default"),
    (REQUIRED, "", "is required"),
    (Variable(id="x", is_required=True, multiple=True), [], "is required"),
    (Variable(id="x", is_required=True, default="d"), "", "must not be empty"),
]


@pytest.mark.parametrize(("variable", "given", "message"), BAD)
def test_a_value_that_does_not_fit_is_refused_with_its_path(
    variable: Variable, given: object, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_values([variable], {"x": given})

    (problem,) = caught.value.problems
    assert problem.path == "values.x"
    assert message in problem.message


def test_a_missing_required_value_is_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_values([REQUIRED], {})
    assert caught.value.problems[0].message == "is required, and it has no default"


def test_a_default_stands_in_for_a_value_that_was_not_given() -> None:
    variables = [
        Variable(id="a", default="d", is_required=True),
        Variable(id="b", default="e"),
        Variable(id="c"),
    ]
    assert check_values(variables, {"b": None}) == {"a": "d", "b": "e"}


def test_an_unknown_variable_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_values([Variable(id="service")], {"servce": "a"})

    (problem,) = caught.value.problems
    assert problem.path == "values.servce"
    assert problem.message == "the template has no variable `servce` (did you mean `service`?)"


def test_every_wrong_value_is_told_at_once() -> None:
    variables = [Variable(id="a", is_required=True), Variable(id="b", type=VariableType.BOOL)]

    with pytest.raises(InvalidInput) as caught:
        check_values(variables, {"b": "no", "c": 1})
    assert {problem.path for problem in caught.value.problems} == {
        "values.a",
        "values.b",
        "values.c",
    }


def test_a_hundred_thousand_unknown_variables_are_refused_soon() -> None:
    with pytest.raises(InvalidInput, match="100000 mistakes"):
        check_values(
            [Variable(id=f"v{i}") for i in range(100)], {f"x{i}": "" for i in range(100_000)}
        )


def test_all_values_together_are_bounded() -> None:
    variables = [Variable(id=f"v{i}") for i in range(9)]

    with pytest.raises(InvalidInput) as caught:
        check_values(variables, {variable.id: "x" * 60_000 for variable in variables})
    assert caught.value.problems[0].message == "all values together have more than 512 KiB"


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        (STRING, " as it is ", " as it is "),
        (STRING, "true", "true"),
        (BOOL, "true", True),
        (BOOL, "Yes", True),
        (BOOL, "1", True),
        (BOOL, "off", False),
        (BOOL, "no", False),
        (BOOL, "0", False),
        (NUMBER, "42", 42),
        (NUMBER, " -3 ", -3),
        (NUMBER, "007", 7),
        (FLOAT, "1e3", 1000.0),
        (FLOAT, "3", 3.0),
        (FLOAT, ".5", 0.5),
        (ENUM, "prod", "prod"),
        (ENUM, "3", 3),
        (DATE, "2025-01-31", "2025-01-31"),
        (MANY, "a\r\nb\n", ["a", "b"]),
        (NUMBERS, "1\n2", [1, 2]),
        (MANY, "", []),
    ],
)
def test_typed_text_becomes_a_value_of_the_variables_type(
    variable: Variable, text: str, value: Value
) -> None:
    typed = parse_text(variable, text)
    assert typed == value
    assert type(typed) is type(value)


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        (BOOL, "maybe", "`maybe` is neither true nor false"),
        (BOOL, "", "is neither true nor false"),
        (NUMBER, "3.5", "`3.5` is not a whole number"),
        (NUMBER, "", "is not a whole number"),
        (NUMBER, "\u0663", "is not a whole number"),
        (NUMBER, "1_000", "is not a whole number"),
        (NUMBER, "9" * 5_000, "is not a whole number"),
        (NUMBER, "101", "must be at most 100"),
        (FLOAT, "nan", "`nan` is not a number"),
        (FLOAT, "inf", "`inf` is not a number"),
        (FLOAT, "1e999", "must be a finite number"),
        (ENUM, "test", "`test` is not an option"),
        (DATE, "today", "`today` is not a date"),
        (NUMBERS, "1\nb", "`b` is not a whole number"),
    ],
)
def test_typed_text_that_does_not_fit_is_refused_with_its_path(
    variable: Variable, text: str, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_text(variable, text)
    assert caught.value.problems[0].path == "values.x"
    assert message in caught.value.problems[0].message


def test_commands_see_values_as_text_under_upper_case_names() -> None:
    variables = [
        Variable(id="page-text"),
        Variable(id="dry_run", type=VariableType.BOOL),
        Variable(id="Count", type=VariableType.NUMBER),
        Variable(id="ratio", type=VariableType.FLOAT),
        Variable(id="hosts", multiple=True),
        Variable(id="absent"),
    ]
    values: dict[str, Value] = {
        "page-text": "a\nb",
        "dry_run": False,
        "Count": 3,
        "ratio": 0.1,
        "hosts": ["a", "b c"],
    }

    assert environment(variables, values) == {
        "OPSICLE_VAR_PAGE_TEXT": "a\nb",
        "OPSICLE_VAR_DRY_RUN": "false",
        "OPSICLE_VAR_COUNT": "3",
        "OPSICLE_VAR_RATIO": "0.1",
        "OPSICLE_VAR_HOSTS": "a\nb c",
    }


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
)
VARIABLES = [STRING, TEXT, BOOL, NUMBER, FLOAT, ENUM, DATE, PATTERN, SHORT, MANY, NUMBERS, REQUIRED]


@given(st.sampled_from(VARIABLES), VALUES)
def test_any_value_is_taken_or_refused_and_one_that_was_taken_is_taken_again(
    variable: Variable, value: object
) -> None:
    try:
        values = check_values([variable], {"x": value})
    except InvalidInput:
        return

    assert check_values([variable], values) == values

    environment([variable], values)


@given(st.sampled_from([BOOL, NUMBER, FLOAT, DATE, STRING, TEXT, PATTERN]), st.text())
def test_any_typed_text_is_taken_or_refused(variable: Variable, text: str) -> None:
    try:
        value = parse_text(variable, text)
    except InvalidInput:
        return
    assert check_values([variable], {"x": value}) == {"x": value}


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_reads_back_alike_from_its_text(number: float) -> None:
    variable = Variable(id="x", type=VariableType.FLOAT)
    text = environment([variable], check_values([variable], {"x": number}))["OPSICLE_VAR_X"]

    assert parse_text(variable, text) == number
    assert re.fullmatch(r"[-+0-9.e]+", text)


def test_the_largest_value_fits_into_the_environment_of_a_process() -> None:
    variable = Variable(id="x" * 64)
    env = environment([variable], check_values([variable], {variable.id: "v" * MAX_VALUE_BYTES}))

    seen = subprocess.run(["/usr/bin/env"], env=env, capture_output=True, check=True).stdout

    assert seen == f"OPSICLE_VAR_{'X' * 64}={'v' * MAX_VALUE_BYTES}\n".encode()
