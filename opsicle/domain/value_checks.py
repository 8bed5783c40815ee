"""One value against its variable: type, bounds, options, pattern, size."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable

from opsicle.domain.files import read_file_value
from opsicle.domain.patterns import MAX_MATCHED_CHARACTERS, BadPattern, Pattern
from opsicle.domain.problems import did_you_mean, listed, quoted
from opsicle.domain.secrets import MASK, wrong_value
from opsicle.domain.templates import Scalar, Value, Variable, VariableType
from opsicle.domain.values import as_text

MAX_VALUE_BYTES = 64 * 1024
"""Of one value in UTF-8. Linux takes at most 128 KiB for one environment variable, its name
included."""

MAX_ITEMS = 1_000
"""Of one variable with `multiple`."""

MAX_INTEGER = 2**53 - 1
"""Larger ones lose digits in a browser (RFC 7493, 2.2)."""

_UNUSABLE = re.compile("[\x00\ud800-\udfff]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class WrongValue(Exception):
    """A single value does not fit its variable; the message says why. Never leaves `domain`."""


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


def wants_text(variable: Variable) -> bool:
    """Return whether a variable takes any text, and nothing else."""
    return _CHECKS[variable.type] in {_check_text, _check_secret}


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
    if size_of(value) > MAX_VALUE_BYTES:
        raise WrongValue(f"is larger than {MAX_VALUE_BYTES // 1024} KiB")


def size_of(value: Value) -> int:
    """Return how many bytes a value takes in UTF-8, as commands see it."""
    return len(as_text(value).encode())


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
