"""Which gates are asked.

Conditions are not passed by how a value is spelled, nor by leaving it out.
"""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opsicle.domain.conditions import Facts, asked_gates, findings, holds, may_equal
from opsicle.domain.errors import InvalidInput
from opsicle.domain.policies import Approvers, Condition, Gate, Policy
from opsicle.domain.template_parser import parse_policy, parse_template
from opsicle.domain.templates import Variable, VariableType

PRODUCTION = Condition(variable="target", any_of=("production",))
NOT_TEST = Condition(variable="target", none_of=("test", "staging"))

STRING = Variable(id="target")
MANY = Variable(id="target", multiple=True)
ENUM = Variable(id="target", type=VariableType.ENUM, options=("test", "staging", "production"))
NUMBER = Variable(id="target", type=VariableType.NUMBER)
FLOAT = Variable(id="target", type=VariableType.FLOAT)
BOOL = Variable(id="target", type=VariableType.BOOL)
DATE = Variable(id="target", type=VariableType.DATE)


def is_asked(line: Condition, variable: Variable, value: object = None) -> bool:
    return holds(line, Facts((variable,), {} if value is None else {variable.id: value}, {}))


SPELLINGS = {
    "as it stands": "production",
    "empty": "",
    "only spaces": "  \t",
    "a space behind": "production ",
    "a no-break space before": "\u00a0production",
    "capitals": "Production",
    "a line break behind": "production\n",
    "a carriage return behind": "production\r",
    "full width": "".join(chr(ord(c) + 0xFEE0) for c in "production"),
    "a zero width space": "pro\u200bduction",
    "a zero width joiner": "pro\u200dduction",
    "a byte order mark": "\ufeffproduction",
    "a soft hyphen": "produc\u00adtion",
    "a bidi control": "\u202eproduction",
    "an accent": "produçtion",
    "an accent, decomposed": unicodedata.normalize("NFD", "produçtion"),
    "a Cyrillic o": "pr\u043eduction",
    "a Greek omicron": "pr\u03bfduction",
    "a control character": "production\x08",
    "a Hangul filler": "production\u3164",
    "mathematical letters": "".join(chr(ord(c) - ord("a") + 0x1D41A) for c in "production"),
    "a dot behind, as in a host's name": "production.",
    "a path": "./production/",
    "quotes of a shell": "'produc'\"tion\"",
    "one of a list": "staging,production",
    "in pieces within a list": "test pro-duc-tion",
    "a pattern": "prod*",
    "an escape": "%70roduction",
    "an expansion": "$(echo production)",
    "a negation": "!staging",
    "very long": "x" * 1_001,
}


@pytest.mark.parametrize("value", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("variable", [STRING, MANY], ids=["one", "several"])
def test_a_gate_is_asked_however_its_value_is_spelled(variable: Variable, value: str) -> None:
    assert is_asked(PRODUCTION, variable, ["test", value] if variable.multiple else value)


@pytest.mark.parametrize(
    "value", ["test", "staging", "preproduction", "München", "10.0.0.1", "eu-west-1a"]
)
def test_what_is_certainly_another_value_is_not_asked(value: str) -> None:
    assert not is_asked(PRODUCTION, STRING, value)
    assert not is_asked(PRODUCTION, MANY, [value, value])


def test_no_value_and_an_empty_list_are_not_known() -> None:
    for variable in (STRING, MANY, ENUM, NUMBER, BOOL, DATE):
        assert is_asked(PRODUCTION, variable)
        assert is_asked(NOT_TEST, variable)
    assert is_asked(PRODUCTION, MANY, [])
    assert is_asked(NOT_TEST, MANY, [])


def test_a_secret_and_a_variable_that_the_template_lacks_are_not_known() -> None:
    secret = Variable(id="target", type=VariableType.SECRET)
    assert is_asked(PRODUCTION, secret, "********")
    assert is_asked(PRODUCTION, Variable(id="renamed"), "test")


NOT_IN = {
    "listed": (STRING, "test", False),
    "listed, another": (STRING, "staging", False),
    "not listed": (STRING, "production", True),
    "listed in capitals": (STRING, "Test", True),
    "listed with a space": (STRING, "test ", True),
    "empty": (STRING, "", True),
    "several, all listed": (MANY, ["test", "staging"], False),
    "several, one not listed": (MANY, ["test", "other"], True),
    "an option that is listed": (ENUM, "test", False),
    "an option that is not listed": (ENUM, "production", True),
}


@pytest.mark.parametrize(("variable", "value", "wanted"), NOT_IN.values(), ids=NOT_IN)
def test_not_in_holds_for_whatever_is_not_listed_exactly(
    variable: Variable, value: object, wanted: bool
) -> None:
    assert is_asked(NOT_TEST, variable, value) is wanted


TYPED = {
    "an option": (ENUM, ("production",), "production", True),
    "another option": (ENUM, ("production",), "staging", False),
    "no option at all": (ENUM, ("prodution",), "staging", True),
    "one that is no option beside one that is": (
        ENUM,
        ("prodution", "production"),
        "staging",
        False,
    ),
    "an integer": (NUMBER, (3,), 3, True),
    "an integer written as a float": (NUMBER, (3.0,), 3, True),
    "another integer": (NUMBER, (3,), 4, False),
    "true is not one": (NUMBER, (True,), 1, True),
    "text for a number": (NUMBER, ("3",), 4, True),
    "a float": (FLOAT, (3,), 3.0, True),
    "minus zero": (FLOAT, (0,), -0.0, True),
    "true": (BOOL, (True,), True, True),
    "false": (BOOL, (True,), False, False),
    "one is not true": (BOOL, (1,), False, True),
    "a day": (DATE, ("2026-01-31",), "2026-01-31", True),
    "another day": (DATE, ("2026-01-31",), "2026-02-01", False),
    "no day": (DATE, ("31.1.2026",), "2026-02-01", True),
    "a value that is not of the type": (NUMBER, (3,), "4", True),
}


@pytest.mark.parametrize(("variable", "options", "value", "wanted"), TYPED.values(), ids=TYPED)
def test_typed_values_are_compared_as_what_they_are(
    variable: Variable, options: tuple[object, ...], value: object, wanted: bool
) -> None:
    assert is_asked(Condition(variable="target", any_of=options), variable, value) is wanted


def test_a_label_is_compared_as_workers_are_matched_and_is_asked_where_it_is_left_out() -> None:
    line, other = (
        Condition(label="site", any_of=("ams",)),
        Condition(label="site", none_of=("fra",)),
    )

    seen = [
        (holds(line, Facts((), {}, labels)), holds(other, Facts((), {}, labels)))
        for labels in ({}, {"site": "ams"}, {"site": "fra"}, {"zone": "fra"})
    ]
    assert seen == [(True, True), (True, True), (False, False), (True, True)]


def test_a_gate_is_asked_only_if_all_its_lines_hold() -> None:
    lines = (PRODUCTION, Condition(label="site", any_of=("ams",)))
    policy = Policy(gates=(Gate(name="g", approvers=Approvers(manager=True), when=lines),))

    asked = [
        bool(asked_gates(policy, Facts((STRING,), {"target": target}, {"site": site})))
        for target in ("production", "test")
        for site in ("ams", "fra")
    ]
    assert asked == [True, False, False, False]


WORDS = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789"), min_size=1, max_size=12)
INVISIBLE = st.sampled_from(
    ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u0301", "\u034f", "\u202e", "\ufe0f"]
)
AROUND = st.text(st.sampled_from(" \t\r\n.,:/'\"-_\u00a0\u2003\u3000"), max_size=3)


def _full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) for c in text)


@given(word=WORDS, data=st.data(), before=AROUND, behind=AROUND)
def test_no_spelling_of_a_value_is_taken_for_another(
    word: str, data: st.DataObject, before: str, behind: str
) -> None:
    spelled = ""
    for character in word:
        shown = data.draw(st.sampled_from([character, character.upper(), _full_width(character)]))
        spelled += shown + data.draw(st.one_of(st.just(""), INVISIBLE))

    form = data.draw(st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))

    assert may_equal(unicodedata.normalize(form, before + spelled + behind), word)


@given(value=st.text(max_size=30), options=st.lists(WORDS, min_size=1, max_size=3))
def test_what_is_asked_under_in_is_never_less_than_what_is_equal(
    value: str, options: list[str]
) -> None:
    line, exact = Condition(variable="target", any_of=tuple(options)), value in options

    assert is_asked(line, STRING, value) or not exact
    assert (
        is_asked(Condition(variable="target", none_of=tuple(options)), STRING, value) is not exact
    )


@given(first=WORDS, second=WORDS)
def test_another_plain_word_is_another_value(first: str, second: str) -> None:
    def plain(word: str) -> str:
        return re.sub(r"(?<![0-9])0+(?=[0-9])", "", word)

    assert may_equal(first, second) is (plain(first) == plain(second))


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("db01", "db-01"),
        ("DB-01", "db01"),
        ("db001", "db-01"),
        ("db1", "db-01"),
        ("105", "1 05"),
        ("1 05", "105"),
    ],
)
def test_where_a_number_begins_in_a_name_makes_no_difference(value: str, wanted: str) -> None:
    assert may_equal(value, wanted)


HEAD = "apiVersion: v1\ntype: AutomationTemplate\nmetadata: {name: t}\nspec:\n"
TAIL = "  template: {phases: [{name: a, commands: [b]}]}\n"


def template(variable: str, condition: str) -> bytes:
    gate = f"{{name: g, approvers: {{manager: true}}, when: [{condition}]}}"
    policy = f"{{spec: {{gates: [{gate}]}}}}"
    return f"{HEAD}  variables: [{variable}]\n  approvalPolicy: {policy}\n{TAIL}".encode()


NEVER_HAD = {
    "an option that does not exist": (
        "{id: target, type: enum, options: [test, production]}",
        "{variable: target, in: [prodution]}",
        "in[0]",
        "did you mean `production`?",
    ),
    "the same under notIn": (
        "{id: target, type: enum, options: [test, production]}",
        "{variable: target, notIn: [test, stagin]}",
        "notIn[1]",
        "is not an option",
    ),
    "text for a number": (
        "{id: n, type: number}",
        "{variable: n, in: ['3']}",
        "in[0]",
        "whole number, not text",
    ),
    "a number beyond its bounds": (
        "{id: n, type: number, max: 5}",
        "{variable: n, in: [6]}",
        "in[0]",
        "at most 5",
    ),
    "text for a boolean": (
        "{id: b, type: bool}",
        "{variable: b, in: ['true']}",
        "in[0]",
        "true or false, not text",
    ),
    "no date": ("{id: d, type: date}", "{variable: d, in: [tomorrow]}", "in[0]", "is not a date"),
    "what the pattern forbids": (
        "{id: s, pattern: '[a-z]+'}",
        "{variable: s, in: ['1']}",
        "in[0]",
        "not match",
    ),
    "a variable that is not there": (
        "{id: target}",
        "{variable: traget, in: [a]}",
        "",
        "has no variable `traget`",
    ),
}


@pytest.mark.parametrize(
    ("variable", "condition", "path", "message"), NEVER_HAD.values(), ids=NEVER_HAD
)
def test_a_condition_that_its_variable_can_never_meet_is_a_mistake(
    variable: str, condition: str, path: str, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_template(template(variable, condition))

    [problem] = caught.value.problems
    where = "spec.approvalPolicy.spec.gates[0].when[0]" + (f".{path}" if path else "")

    assert (problem.path, problem.line, message in problem.message) == (where, 6, True), problem


def test_free_text_is_told_of_with_what_would_be_better() -> None:
    policy = Policy(
        gates=(Gate(name="g", approvers=Approvers(manager=True), when=(PRODUCTION, NOT_TEST)),)
    )
    [found] = findings(policy, (STRING,))

    assert (found.path, found.is_certain) == ("gates[0].when[0]", False)
    assert "make it an `enum`" in found.message
    assert list(findings(policy, (ENUM,))) == []


WRONG_LINES = {
    "neither": ("{variable: a}", "either `in` or `notIn`"),
    "both": ("{variable: a, in: [b], notIn: [c]}", "either `in` or `notIn`"),
    "an empty list": ("{variable: a, notIn: []}", "at least one item"),
    "an empty value": ("{variable: a, in: ['']}", "counts as not known"),
    "no value of a label": ("{label: site, in: ['a b']}", "no value of a label"),
}


@pytest.mark.parametrize(("line", "message"), WRONG_LINES.values(), ids=WRONG_LINES)
def test_a_condition_that_is_written_wrongly_is_a_mistake(line: str, message: str) -> None:
    head = "apiVersion: v1\ntype: ApprovalPolicy\nmetadata: {name: p}\n"
    gate = f"{{name: g, approvers: {{manager: true}}, when: [{line}]}}"

    with pytest.raises(InvalidInput) as caught:
        parse_policy(f"{head}spec: {{gates: [{gate}]}}".encode())

    assert message in caught.value.problems[0].message
