"""What a trigger makes of the body that it is sent: whether to start, and with which values."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from opsicle.domain import json_pointers
from opsicle.domain.errors import InvalidInput, Problem
from opsicle.domain.files import file_variables
from opsicle.domain.problems import listed, quoted, refuse
from opsicle.domain.templates import Variable
from opsicle.domain.triggers import MAX_BODY_DEPTH, BodyCondition, Deduplication, Trigger
from opsicle.domain.values import Value, as_text
from opsicle.domain.variables import check_values, from_json

_MOST_SHOWN = 100


def decode_body(body: bytes) -> object:
    """Return the JSON in a body. Raises InvalidInput for what is none, or is nested too deep."""
    try:
        document: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(
            "the body is no JSON", hint="Let the sender use the content type application/json."
        ) from error
    level = [document]
    for _ in range(MAX_BODY_DEPTH):
        level = [child for place in level for child in _children(place)]
        if not level:
            return document
    raise InvalidInput(f"the body is nested deeper than {MAX_BODY_DEPTH} levels")


def _children(place: object) -> Iterable[object]:
    if isinstance(place, dict):
        return place.values()
    return place if isinstance(place, list) else ()


def unmet_condition(trigger: Trigger, body: object) -> str:
    """Return why a body is to start nothing, "" if it is to."""
    reasons = (_unmet(condition, body) for condition in trigger.conditions)
    return next(filter(None, reasons), "")


def _unmet(condition: BodyCondition, body: object) -> str:
    """Return what of a condition is not so. Values are compared as text."""
    found = json_pointers.find(body, condition.pointer)
    where = condition.pointer or "the body"
    if condition.exists is not None and (found is not None) != condition.exists:
        return f"{where} {'is not there' if condition.exists else 'is there'}"

    text = as_text(found) if isinstance(found, str | bool | int | float) else None
    shown = quoted(text[:_MOST_SHOWN]) if text is not None else "absent, or no single value"
    if condition.one_of and text not in (wanted := [as_text(each) for each in condition.one_of]):
        return f"{where} is {shown}, not {listed(wanted[:5])}"
    if text is not None and text in {as_text(each) for each in condition.none_of}:
        return f"{where} is {shown}"
    return ""


def deduplication_key(dedupe: Deduplication, body: object) -> bytes:
    """Return what must not start anything again within the window.

    Raises InvalidInput where the body has nothing there.
    """
    found = json_pointers.find(body, dedupe.pointer)
    if found is None:
        message = f"the body has nothing at {dedupe.pointer}, by which repetitions are known"
        raise InvalidInput(message, problems=(Problem(dedupe.pointer, message),))
    return msgspec.json.encode(found, order="sorted")


def mapped_values(
    trigger: Trigger, variables: Iterable[Variable], body: object
) -> dict[str, Value]:
    """Return the values with which the template is run, checked.

    Raises InvalidInput with every mistake: each names the variable, and where in the body it is.
    """
    known = {variable.id: variable for variable in variables}
    given: dict[str, object] = dict(trigger.values)
    problems: list[Problem] = []
    for name, field in trigger.fields.items():
        found = json_pointers.find(body, field.pointer)
        value = field.default if found is None else found
        try:
            given[name] = from_json(known[name], value) if name in known else value
        except InvalidInput as error:
            problems += error.problems

    if not problems:
        try:
            return check_values(known.values(), given)
        except InvalidInput as error:
            problems += error.problems
    with_pointers = tuple(_with_pointer(trigger, problem) for problem in problems)
    shown = "; ".join(f"{problem.path}: {problem.message}" for problem in with_pointers[:3])
    raise InvalidInput(f"the body does not fit the template: {shown}", problems=with_pointers)


def _with_pointer(trigger: Trigger, problem: Problem) -> Problem:
    """Add where in the body a value was looked for."""
    field = trigger.fields.get(problem.path.removeprefix("values."))
    place = f" (looked for at {field.pointer or 'the whole body'})" if field else ""
    return Problem(problem.path, f"{problem.message}{place}")


def check_mapping(trigger: Trigger, variables: Iterable[Variable]) -> None:
    """Raise InvalidInput where no body could give the template what it needs.

    A literal value or a default that does not fit, a variable that is not there or takes a file, or
    one that is required and comes from nowhere.
    """
    known = {variable.id: variable for variable in variables}
    for variable in file_variables(known.values()):
        if variable.id in trigger.fields:
            message = "takes a file, and a webhook has none to give"
            raise refuse("the trigger", message, path=f"spec.values.{variable.id}")
    defaults = {name: field.default for name, field in trigger.fields.items()}
    given = {
        name: from_json(known[name], value) if name in known else value
        for name, value in defaults.items()
        if value is not None or name not in known
    }
    fed = {name for name in trigger.fields if name not in given}
    check_values(
        [each for name, each in known.items() if name not in fed], {**trigger.values, **given}
    )
