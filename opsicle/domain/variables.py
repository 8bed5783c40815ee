"""The values of a template's variables.

Checked against their types, and on their way into the environment.

A value is data. Nothing here, or anywhere else, puts one into the text of a command.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from opsicle.domain.files import MAX_FILES, file_variables, items_of
from opsicle.domain.names import environment_name
from opsicle.domain.problems import Problems, quoted, refuse
from opsicle.domain.templates import Value, Variable, VariableType
from opsicle.domain.value_checks import WrongValue, check_value, size_of, wants_text
from opsicle.domain.values import as_text

MAX_VALUES_BYTES = 512 * 1024
"""Of all values of an automation. Linux takes 2 MiB for the whole environment unless told."""

_SUBJECT = "these values"
_INTEGER_TEXT = re.compile(r"[-+]?[0-9]{1,16}")
_FLOAT_TEXT = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_BOOLEANS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


def check_values(
    variables: Iterable[Variable], given: Mapping[str, object], owner: str = "the template"
) -> dict[str, Value]:
    """Return the values an automation runs with. `owner` is what has these variables.

    What was given, checked, and defaults for what was not.

    A value of None, and an empty text or list for a required variable, count as not given. An
    optional variable without a value and default is absent from the result. Raises InvalidInput
    with every problem, each with the path `values.<id>`.
    """
    problems = Problems()
    known = {variable.id: variable for variable in variables}
    for name in given:
        if name not in known:
            problems.add(
                _path(name),
                f"{owner} has no variable {quoted(name)}{problems.suggest(name, known)}",
            )

    values: dict[str, Value] = {}
    for variable in known.values():
        try:
            value = _value_or_default(variable, given.get(variable.id))
        except WrongValue as wrong:
            problems.add(_path(variable.id), str(wrong))
        else:
            if value is not None:
                values[variable.id] = value

    _check_together(known.values(), values, problems)
    problems.raise_if_any(_SUBJECT)
    return values


def _check_together(
    variables: Iterable[Variable], values: Mapping[str, Value], problems: Problems
) -> None:
    if sum(size_of(value) for value in values.values()) > MAX_VALUES_BYTES:
        problems.add("values", f"all values together have more than {MAX_VALUES_BYTES // 1024} KiB")
    files = sum(len(items_of(values.get(each.id))) for each in file_variables(variables))
    if files > MAX_FILES:
        problems.add("values", f"an automation takes {MAX_FILES} files at most, not {files}")


def parse_text(variable: Variable, text: str) -> Value:
    """Return the value that a person typed as text: `--var id=text`, or a field of a form.

    Booleans are true/false, yes/no, on/off or 1/0; a variable with `multiple` takes one item per
    line. Raises InvalidInput with the path `values.<id>`.
    """
    try:
        if variable.multiple:
            return check_value(
                variable, [_typed(variable, line) for line in re.split("\r?\n", text) if line]
            )
        return check_value(variable, _typed(variable, text))
    except WrongValue as wrong:
        raise refuse(_named(variable), str(wrong), path=_path(variable.id)) from None


def from_json(variable: Variable, value: object) -> object:
    """Return what a program sent as JSON as the variable's type, where it is plain what is meant.

    Numbers and booleans become text for a variable that wants text; text is read as if somebody had
    typed it; for `multiple` one value is a list of one. What fits no better stays as it is: for
    `check_values` to refuse. Raises InvalidInput with the path `values.<id>`.
    """
    if value is None:
        return None
    items = value if isinstance(value, list) else [value]
    try:
        if not variable.multiple:
            return value if value is items else _scalar_from_json(variable, value)
        return [_scalar_from_json(variable, item) for item in items]
    except WrongValue as wrong:
        raise refuse(_named(variable), str(wrong), path=_path(variable.id)) from None


def _scalar_from_json(variable: Variable, value: object) -> object:
    if isinstance(value, str):
        return _typed(variable, value)
    if isinstance(value, bool | int | float) and wants_text(variable):
        return as_text(value)
    return value


def environment(variables: Iterable[Variable], values: Mapping[str, Value]) -> dict[str, str]:
    """Return the environment variables that carry checked values to the commands.

    `true`/`false` for booleans, the shortest decimals that read back alike for floats, one item per
    line for `multiple`. A variable without a value is not set at all, so that `${NAME-default}`
    works. Files are left out: only the worker knows where they lie.
    """
    return {
        environment_name(variable.id): as_text(values[variable.id])
        for variable in variables
        if variable.id in values and variable.type is not VariableType.FILE
    }


def environment_of(values: Mapping[str, Value]) -> dict[str, str]:
    """Return the environment variables of values that have all been given."""
    return {environment_name(name): as_text(value) for name, value in values.items()}


def _value_or_default(variable: Variable, given: object) -> Value | None:
    if given is None:
        given = variable.default
    if variable.is_required and (given is None or given in ("", [], ())):
        raise WrongValue(
            "is required, and it has no default"
            if variable.default is None
            else "must not be empty"
        )
    return None if given is None else check_value(variable, given)


def _typed(variable: Variable, text: str) -> object:
    """Return the text as the variable's type, or itself where that gives the better error."""
    word = text.strip()
    if variable.type is VariableType.BOOL:
        return _typed_bool(word)
    if variable.type is VariableType.NUMBER:
        if not _INTEGER_TEXT.fullmatch(word):
            raise WrongValue(f"{quoted(text)} is not a whole number")
        return int(word)
    if variable.type is VariableType.FLOAT:
        if not _FLOAT_TEXT.fullmatch(word):
            raise WrongValue(f"{quoted(text)} is not a number")
        return float(word)
    return text


def _typed_bool(word: str) -> bool:
    if word.lower() not in _BOOLEANS:
        raise WrongValue(f"{quoted(word)} is neither true nor false")
    return _BOOLEANS[word.lower()]


def _named(variable: Variable) -> str:
    return f"the value of {quoted(variable.id)}"


def _path(variable_id: str) -> str:
    return f"values.{variable_id[:64]}"
