"""Every mistake in a template that we could think of: where it is said to be, and what is said."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.template_parser import parse_document, parse_template
from tests.unit import (
    call_mistakes,
    cluster_mistakes,
    document_mistakes,
    phase_mistakes,
    spec_mistakes,
    variable_mistakes,
)
from tests.unit.template_sources import (
    BODY,
    HEAD,
    PHASE,
    in_phase,
    in_spec,
    in_variable,
    with_phases,
)

EVERY_MISTAKE = (
    document_mistakes.MISTAKES
    | spec_mistakes.MISTAKES
    | phase_mistakes.MISTAKES
    | call_mistakes.MISTAKES
    | cluster_mistakes.MISTAKES
    | variable_mistakes.MISTAKES
)


@pytest.mark.parametrize(
    ("document", "path", "line", "message"), EVERY_MISTAKE.values(), ids=EVERY_MISTAKE
)
def test_a_mistake_is_told_with_its_path_its_line_and_what_to_do(
    document: str, path: str, line: int, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_template(document.encode())

    told = [
        (problem.path, problem.line)
        for problem in caught.value.problems
        if message in problem.message
    ]
    assert told == [(path, line)], caught.value.problems


def test_the_templates_that_the_table_varies_are_good() -> None:
    assert parse_template((HEAD + BODY).encode()).name == "web"
    assert parse_template(in_phase("timeout: 5").encode()).phases[0].timeout == 5
    assert parse_template(in_spec("timeout: 5").encode()).timeout == 5
    assert parse_template(in_variable("type: bool").encode()).variables[0].id == "x"

    [phase] = parse_template(with_phases("- {name: a, commands: [b]}").encode()).phases
    assert phase.commands == ("b",)


def test_all_mistakes_are_told_at_once_in_the_order_of_their_lines() -> None:
    document = (
        in_phase("timeot: 1\nwhen: never\nenv: {A: 1, A: 2}")
        + "  onWorkerLost: no\n  timeout: !!int 5\n"
    )

    with pytest.raises(InvalidInput) as caught:
        parse_template(document.encode())
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (10, f"{PHASE}.timeot"),
        (11, f"{PHASE}.when"),
        (12, f"{PHASE}.env.A"),
        (12, f"{PHASE}.env.A"),
        (13, "spec.onWorkerLost"),
        (14, "spec.timeout"),
    ]
    assert "6 mistakes" in caught.value.message


def test_a_document_with_thousands_of_mistakes_tells_the_first_fifty_and_how_many_more() -> None:
    document = HEAD + BODY + "".join(f"field{i}: 1\n" for i in range(1_000))

    with pytest.raises(InvalidInput) as caught:
        parse_template(document.encode())
    assert len(caught.value.problems) == 51
    assert caught.value.problems[-1].message == "and 950 more mistakes"


def test_bytes_that_are_no_utf8_are_refused_with_their_line() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_template(HEAD.encode() + b"spec: \xff\n")
    assert (caught.value.problems[0].line, "not UTF-8" in caught.value.problems[0].message) == (
        5,
        True,
    )


def test_utf16_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not UTF-8"):
        parse_template((HEAD + BODY).encode("utf-16"))


def test_an_automation_with_variables_is_refused() -> None:
    document = (
        "apiVersion: v1\ntype: Automation\nmetadata: {name: a}\n"
        "spec:\n  variables: []\n  phases: []\n"
    )

    with pytest.raises(InvalidInput) as caught:
        parse_document(document.encode())
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (5, "spec.variables"),
        (6, "spec.phases"),
    ]


@pytest.mark.parametrize("named", ["an `ApprovalPolicy`", "an `ApprovalRequest`", "a `Schedule`"])
def test_a_document_of_another_known_type_is_called_by_its_name(named: str) -> None:
    type_name = named.split("`")[1]
    document = f"apiVersion: v1\ntype: {type_name}\nmetadata: {{name: a}}\nspec: {{}}\n"
    with pytest.raises(InvalidInput) as caught:
        parse_template(document.encode())

    wanted = f"this is {named}; wanted here: `AutomationTemplate`"
    assert [problem.message for problem in caught.value.problems] == [wanted]
