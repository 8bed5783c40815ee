"""What things may be called, and the words in which a refusal says so."""

from __future__ import annotations

import re

TEMPLATE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
TEMPLATE_NAME_RULE = "1 to 63 of the characters a-z, 0-9 and `-`, beginning with a letter or digit"
"""What begins with `-` would be an option wherever it is typed."""

ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
ID_RULE = "1 to 64 of the characters a-z, A-Z, 0-9, `_` and `-`"

ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
ENVIRONMENT_NAME_RULE = "letters, digits and `_`, not beginning with a digit, at most 128"

LABEL_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,126}")
LABEL_KEY_RULE = (
    "1 to 127 of the characters a-z, A-Z, 0-9, `.`, `_`, `/` and `-`, "
    "beginning with a letter or digit"
)

LABEL_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,126}")
LABEL_VALUE_RULE = (
    "1 to 127 of the characters a-z, A-Z, 0-9, `.`, `_`, `/`, `:`, `@` and `-`, "
    "beginning with a letter or digit"
)
"""For labels of workers, which are compared; the labels of a template are free text."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_RESERVED = "OPSICLE_"
_VARIABLE_PREFIX = "OPSICLE_VAR_"


def has_control_characters(text: str) -> bool:
    """Return whether the text holds line breaks or other control characters."""
    return _CONTROL.search(text) is not None


def is_reserved(environment_name: str) -> bool:
    """Return whether only the product itself sets this environment variable."""
    return environment_name.upper().startswith(_RESERVED)


def environment_name(variable_id: str) -> str:
    """Return the environment variable by which commands read a template's variable.

    >>> environment_name("page-text")
    'OPSICLE_VAR_PAGE_TEXT'
    """
    return _VARIABLE_PREFIX + upper_snake(variable_id)


def upper_snake(name: str) -> str:
    """Return a name in capitals, with `_` for every character other than A-Z and 0-9."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
