"""A good template, and ways to put more into it, whose lines are known."""

from __future__ import annotations

PHASE = "spec.template.phases[0]"
VARIABLE = "spec.variables[0]"

HEAD = "apiVersion: v1\ntype: AutomationTemplate\nmetadata:\n  name: web\n"
"""Lines 1 to 4."""

BODY = "spec:\n  template:\n    phases:\n      - name: check\n        commands: [nginx -t]\n"
"""Lines 5 to 9."""


def in_spec(text: str) -> str:
    """Return a good template with more fields in its `spec`, from line 10 on."""
    return HEAD + BODY + "".join(f"  {line}\n" for line in text.splitlines())


def in_phase(text: str) -> str:
    """Return a good template with more fields in its phase, from line 10 on."""
    return HEAD + BODY + "".join(f"        {line}\n" for line in text.splitlines())


def in_variable(text: str) -> str:
    """Return a good template with one variable.

    Its `id` stands on line 11, its other fields from line 12 on.
    """
    return in_spec(
        "variables:\n  - id: x\n" + "".join(f"    {line}\n" for line in text.splitlines())
    )


def with_phases(text: str) -> str:
    """Return a template with nothing but these phases; the first line of them is line 8."""
    return (
        HEAD
        + "spec:\n  template:\n    phases:\n"
        + "".join(f"      {line}\n" for line in text.splitlines())
    )
