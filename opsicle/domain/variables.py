"""The values of a template's variables.

Checked against their types, and on their way into the environment.

A value is data. Nothing here, or anywhere else, puts one into the text of a command.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Mapping

from opsicle.domain.files import MAX_FILES, file_variables, items_of, read_file_value
from opsicle.domain.names import environment_name
from opsicle.domain.patterns import MAX_MATCHED_CHARACTERS, BadPattern, Pattern
from opsicle.domain.problems import Problems, did_you_mean, listed, quoted, refuse
from opsicle.domain.secrets import MASK, wrong_value
from opsicle.domain.templates import Scalar, Value, Variable, VariableType

MAX_VALUE_BYTES = 64 * 1024
"""Of one value in UTF-8. Linux takes at most 128 KiB for one environment variable, its name
included."""

MAX_VALUES_BYTES = 512 * 1024
"""Of all values of an automation. Linux takes 2 MiB for the whole environment unless told."""

MAX_ITEMS = 1_000
"""Of one variable with `multiple`."""

MAX_INTEGER = 2**53 - 1
"""Larger ones lose digits in a browser (RFC 7493, 2.2)."""

_SUBJECT = "these values"
_UNUSABLE = re.compile("[\x00\ud800-\udfff]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
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


class WrongValue(Exception):
    """A single value does not fit its variable; the message says why. Never leaves `domain`."""


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
    if sum(_size(value) for value in values.values()) > MAX_VALUES_BYTES:
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
    wants_text = _CHECKS[variable.type] in {_check_text, _check_secret}
    return as_text(value) if wants_text and isinstance(value, bool | int | float) else value


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


def as_text(value: Value) -> str:
    """Return a value as commands see it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "\n".join(as_text(item) for item in value)
    return str(value)


def check_value(variable: Variable, value: object) -> Value:
    """Return `value` as the variable takes it. Raises WrongValue."""
    if not variable.multiple:
        checked = _check_scalar(variable, value)
        _check_pattern(variable, [checked])
        return checked

    if not isinstance(value, list | tuple):
        raise WrongValue("must be a list")
    if len(value) > MAX_ITEMS:
        raise WrongValue(f"has {len(value):,} items; at most {MAX_ITEMS:,} are allowed")

    items = [_check_scalar(variable, item) for item in value]
    if any(isinstance(item, str) and "\n" in item for item in items):
        raise WrongValue("an item must be one line, as commands read one item per line")
    _check_size(items)
    _check_pattern(variable, items)
    return items


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


def _check_scalar(variable: Variable, value: object) -> Scalar:
    checked = _CHECKS[variable.type](variable, value)
    _check_size(checked)
    _check_bounds(variable, checked)
    return checked


def _check_text(variable: Variable, value: object) -> str:
    if not isinstance(value, str):
        raise WrongValue(f"must be text, not {_kind(value)}")
    if _UNUSABLE.search(value):
        raise WrongValue("holds a NUL or another character that is no text")
    return value


def _check_secret(variable: Variable, value: object) -> str:
    text = _check_text(variable, value)
    if text == MASK:
        raise WrongValue("is the mask that is shown in a secret's place, not its value")
    if text and (problem := wrong_value(text)):
        raise WrongValue(problem)
    return text


def _check_bool(variable: Variable, value: object) -> bool:
    if not isinstance(value, bool):
        raise WrongValue(f"must be true or false, not {_kind(value)}")
    return value


def _check_number(variable: Variable, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongValue(f"must be a whole number, not {_kind(value)}")
    if abs(value) > MAX_INTEGER:
        raise WrongValue(f"must be between -{MAX_INTEGER} and {MAX_INTEGER}")
    return value


def _check_float(variable: Variable, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongValue(f"must be a number, not {_kind(value)}")
    if not math.isfinite(value) if isinstance(value, float) else abs(value) > MAX_INTEGER:
        raise WrongValue("must be a finite number, and a whole one at most 2^53")
    return float(value)


def _check_enum(variable: Variable, value: object) -> Scalar:
    """Take an option as it is or as its text, so that a form need not know the options' types."""
    for option in variable.options:
        if type(value) is type(option) and value == option:
            return option
        if isinstance(value, str) and value == as_text(option):
            return option

    options = [as_text(option) for option in variable.options]
    if not isinstance(value, str | int | float):
        raise WrongValue(f"must be {listed(options)}, not {_kind(value)}")
    shown = as_text(value)
    meant = did_you_mean(shown, options)
    raise WrongValue(f"{quoted(shown)} is not an option{meant}; it must be {listed(options)}")


def _check_date(variable: Variable, value: object) -> str:
    text = _check_text(variable, value)
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        datetime.date.fromisoformat(text)
    except ValueError:
        raise WrongValue(f"{quoted(text)} is not a date such as 2026-01-31") from None
    return text


def _check_file(_variable: Variable, value: object) -> str:
    text = _check_text(_variable, value)
    if read_file_value(text) is None:
        raise WrongValue("is no file: upload it, or give it as `@PATH`")
    return text


_CHECKS: dict[VariableType, Callable[[Variable, object], Scalar]] = {
    VariableType.STRING: _check_text,
    VariableType.TEXT: _check_text,
    VariableType.SECRET: _check_secret,
    VariableType.FILE: _check_file,
    VariableType.BOOL: _check_bool,
    VariableType.NUMBER: _check_number,
    VariableType.FLOAT: _check_float,
    VariableType.ENUM: _check_enum,
    VariableType.DATE: _check_date,
}


def _check_bounds(variable: Variable, value: Scalar) -> None:
    """Check a number's value, a text's length, or a file's size, against `min` and `max`."""
    file = read_file_value(value) if variable.type is VariableType.FILE else None
    measured: int | float
    if file is not None:
        measured, unit = file.size, " bytes large"
    elif isinstance(value, str):
        measured, unit = len(value), " characters long"
    else:
        measured, unit = value, ""
    if variable.min is not None and measured < variable.min:
        raise WrongValue(f"must be at least {variable.min}{unit}, not {measured}")
    if variable.max is not None and measured > variable.max:
        raise WrongValue(f"must be at most {variable.max}{unit}, not {measured}")


def _check_pattern(variable: Variable, items: list[Scalar]) -> None:
    """Match each item, of a file its name.

    Their length together is bounded, as that is what the time grows with.
    """
    if not variable.pattern:
        return

    texts = [_matched_text(variable, item) for item in items]
    length = sum(map(len, texts))
    if length > MAX_MATCHED_CHARACTERS:
        raise WrongValue(
            f"has {length:,} characters; "
            f"with a pattern at most {MAX_MATCHED_CHARACTERS:,} are allowed"
        )

    try:
        pattern = Pattern(variable.pattern)
    except BadPattern as bad:  # what an older version took, when it stored the template
        raise WrongValue(
            f"cannot be matched: {quoted(variable.pattern)} is no pattern: {bad}"
        ) from None
    if not all(pattern.matches(text) for text in texts):
        raise WrongValue(f"does not match the pattern {quoted(variable.pattern)}")


def _matched_text(variable: Variable, item: Scalar) -> str:
    file = read_file_value(item) if variable.type is VariableType.FILE else None
    return as_text(item) if file is None else file.name


def _check_size(value: Value) -> None:
    if _size(value) > MAX_VALUE_BYTES:
        raise WrongValue(f"is larger than {MAX_VALUE_BYTES // 1024} KiB")


def _size(value: Value) -> int:
    return len(as_text(value).encode())


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


def _kind(value: object) -> str:
    """Name a value's type as JSON does."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "a whole number" if isinstance(value, int) else "a decimal number"
    return "a list" if isinstance(value, list | tuple) else "an object"


def _named(variable: Variable) -> str:
    return f"the value of {quoted(variable.id)}"


def _path(variable_id: str) -> str:
    return f"values.{variable_id[:64]}"
