"""What the value of a variable can be."""

from __future__ import annotations

Scalar = str | bool | int | float
Value = Scalar | list[Scalar]
"""What a variable's value is on the wire; a list only where `multiple` is true."""
