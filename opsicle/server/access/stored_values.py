"""What stands in an automation's row as JSON, for showing it and for finding workers.

Somebody may have written to the database. A row that cannot be read must not keep anybody from the
others, nor from being told of it; whether it is what was triggered is looked at elsewhere
(`bindings.py`), before anything runs.
"""

from __future__ import annotations

from functools import lru_cache

from opsicle.domain import stored_json
from opsicle.domain.label_expressions import ExpressionMistake, parse_expression
from opsicle.domain.templates import Value
from opsicle.domain.workers import Requirements


def read_values(values_json: str) -> dict[str, Value]:
    """Return the values by variable. Raises Unreadable."""
    return stored_json.read(values_json, dict[str, Value], "its values")


def shown_values(values_json: str) -> dict[str, Value]:
    """Return the values by variable; none where they cannot be read."""
    return stored_json.read_or(values_json, dict[str, Value], {})


@lru_cache(maxsize=4096)
def stored_requirements(text: str) -> Requirements:
    """Return what an automation asks of its worker.

    Where that cannot be read, whoever comes first finds out.
    """
    asked = stored_json.read_or(text, Requirements, Requirements())
    try:
        parse_expression(asked.where or "x")
    except ExpressionMistake:
        return Requirements()
    return asked
