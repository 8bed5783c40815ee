"""What the value of a variable can be."""

from __future__ import annotations

Scalar = str | bool | int | float
Value = Scalar | list[Scalar]
"""What a variable's value is on the wire; a list only where `multiple` is true."""


def as_text(value: Value) -> str:
    """Return a value as commands see it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "\n".join(as_text(item) for item in value)
    return str(value)
