"""What a secret may be, and how it reaches commands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from opsicle.domain.templates import Phase, Value, Variable, VariableType

SECRET_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
SECRET_NAME_RULE = "1 to 63 of the characters a-z, 0-9 and `-`, beginning with a letter or digit"
"""So narrow that no two names make the same environment variable."""

MIN_BYTES = 6
"""Of a value in UTF-8: a shorter one stands in logs by chance, so that it could not be masked."""

MAX_BYTES = 64 * 1024
"""Of a value in UTF-8. Linux takes at most 128 KiB for one environment variable."""

MASK = "••••"
"""What people see in the place of a secret variable's value."""


def wrong_value(value: str) -> str:
    """Return why this can be no secret's value, "" if it can. The answer never quotes it."""
    try:
        length = len(value.encode())
    except UnicodeEncodeError:
        return "the value holds characters that are no text"
    if "\0" in value:
        return "the value holds a NUL, which no environment variable can carry"
    if length < MIN_BYTES:
        return (
            f"the value is shorter than {MIN_BYTES} bytes: "
            "it would stand in logs by chance and cannot be masked"
        )
    if length > MAX_BYTES:
        return f"the value is larger than {MAX_BYTES // 1024} KiB"
    return ""


def secret_environment_name(name: str) -> str:
    """Return the environment variable by which commands read a secret.

    >>> secret_environment_name("db-password")
    'OPSICLE_SECRET_DB_PASSWORD'
    """
    return "OPSICLE_SECRET_" + name.upper().replace("-", "_")


def secret_file_environment_name(name: str) -> str:
    """Return the environment variable by which commands find a secret's file.

    >>> secret_file_environment_name("db-password")
    'OPSICLE_SECRET_FILE_DB_PASSWORD'
    """
    return secret_environment_name(f"file-{name}")


def named_secrets(phases: Iterable[Phase]) -> list[str]:
    """Return the secrets that phases name, each once, by name."""
    return sorted({name for phase in phases for name in phase.secrets})


def masked(variables: Iterable[Variable], values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the values as people may see them: a mask in the place of every secret variable's."""
    hidden = {variable.id for variable in variables if variable.type is VariableType.SECRET}
    return {name: MASK if name in hidden else value for name, value in values.items()}


def only_secret(variables: Iterable[Variable], values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the values of secret variables alone."""
    hidden = {variable.id for variable in variables if variable.type is VariableType.SECRET}
    return {name: value for name, value in values.items() if name in hidden}
