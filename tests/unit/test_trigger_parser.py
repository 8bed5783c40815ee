"""Documents of triggers: what they say, and what is wrong with them, where."""

from __future__ import annotations

import pytest

from opsicle.domain import json_pointers
from opsicle.domain.errors import InvalidInput
from opsicle.domain.template_parser import parse_trigger
from opsicle.domain.triggers import (
    BodyCondition,
    BodyField,
    CallRate,
    Deduplication,
    Trigger,
    VerifyMethod,
)
from tests.services.calling import trigger_source


def parse(*lines: str) -> Trigger:
    return parse_trigger(trigger_source(*lines, name="t", template="x").encode())


def test_a_trigger_says_what_stands_in_it() -> None:
    trigger = parse(
        "verify: github",
        "values: {host: {pointer: /a~1b/0, default: db1}, loud: true, tags: [a, b]}",
        "filter: [{pointer: /s, in: [x, 1], notIn: [true]}, {pointer: '', exists: false}]",
        "dedupe: {pointer: /k, window: 60}",
        "rate: 10/h",
        "runAs: bot",
    )

    assert trigger == Trigger(
        name="t",
        template="x",
        verify=VerifyMethod.GITHUB,
        values={"loud": True, "tags": ["a", "b"]},
        fields={"host": BodyField("/a~1b/0", "db1")},
        conditions=(
            BodyCondition(pointer="/s", one_of=("x", 1), none_of=(True,)),
            BodyCondition(pointer="", exists=False),
        ),
        dedupe=Deduplication("/k", 60),
        rate=CallRate(10, 3600),
        run_as="bot",
    )


def test_one_of_alertmanagers_takes_what_fires_once_for_each_group_unless_it_says_more() -> None:
    plain = parse("verify: alertmanager")
    own = parse("verify: alertmanager", "filter: []", "dedupe: {pointer: /x, window: 9}")

    assert plain.conditions == (BodyCondition(pointer="/status", one_of=("firing",)),)
    assert plain.dedupe == Deduplication("/groupKey", 300)
    assert (own.conditions, own.dedupe) == ((), Deduplication("/x", 9))
    assert parse() == Trigger(name="t", template="x")


@pytest.mark.parametrize(
    ("line", "path", "message"),
    [
        ("verify: md5", "spec.verify", "must be `hmac-sha256`"),
        ("values: {a: {pointer: x}}", "spec.values.a.pointer", "is no pointer"),
        ("values: {a: {pointer: /x~2}}", "spec.values.a.pointer", "is no pointer"),
        ("values: {a: {default: 1}}", "spec.values.a.pointer", "is missing"),
        ("values: {a: {pointer: /x, of: 1}}", "spec.values.a.of", "unknown field"),
        ("filter: [{pointer: /x}]", "spec.filter[0]", "needs `in`, `notIn` or `exists`"),
        ("filter: [{pointer: /x, in: []}]", "spec.filter[0].in", "is empty"),
        ("filter: [{pointer: /x, in: [[1]]}]", "spec.filter[0].in[0]", "single value"),
        ("filter: [{pointer: /x, exists: maybe}]", "spec.filter[0].exists", "true or false"),
        ("dedupe: {pointer: /x}", "spec.dedupe.window", "is missing"),
        ("dedupe: {pointer: /x, window: 0}", "spec.dedupe.window", "must be between"),
        ("dedupe: {pointer: /x, window: 604801}", "spec.dedupe.window", "must be between"),
        ("rate: 10", "spec.rate", "write it in quotes"),
        ("rate: 10/d", "spec.rate", "is no rate"),
        ("rate: 0/m", "spec.rate", "is no rate"),
        ("secret: x", "spec.secret", "unknown field"),
    ],
)
def test_a_mistake_is_named_with_its_place(line: str, path: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(line)
    (problem,) = refused.value.problems
    assert (problem.path, problem.line) == (path, 6)
    assert message in problem.message


DOCUMENT = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, " ": 7, "n": None, "k\\l": 6}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/m~0n", 8),
        ("/ ", 7),
        ("/k\\l", 6),
        ("/n", None),
        ("/foo/2", None),
        ("/foo/-", None),
        ("/foo/01", None),
        ("/foo/-1", None),
        ("/foo/²", None),
        ("/foo/0/0", None),
        ("/n/x", None),
        ("/foo/99999999999", None),
    ],
)
def test_a_pointer_leads_to_where_rfc_6901_says(pointer: str, value: object) -> None:
    assert json_pointers.POINTER.fullmatch(pointer)
    assert json_pointers.find(DOCUMENT, pointer) == value
