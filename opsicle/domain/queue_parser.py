"""Reading what a template says of the queue: who comes first, and how many run at once."""

from __future__ import annotations

from collections.abc import Sequence

from opsicle.domain.documents import Fields
from opsicle.domain.names import ID, ID_RULE
from opsicle.domain.problems import listed, quoted
from opsicle.domain.templates import (
    DEFAULT_PRIORITY,
    Concurrency,
    OnLimit,
    Variable,
    VariableType,
)

HIGHEST_PRIORITY = 9
MAX_LIMIT = 1_000
MAX_BY = 10
MAX_WAITING = 100_000

_NO_PART_OF_A_NAME = frozenset({VariableType.SECRET, VariableType.FILE})


def parse_priority(spec: Fields) -> int:
    """Return a template's priority; the default if it says none, or a wrong one."""
    return spec.integer("priority", DEFAULT_PRIORITY, 0, HIGHEST_PRIORITY)


def parse_concurrency(spec: Fields, variables: Sequence[Variable]) -> Concurrency | None:
    """Return the concurrency group of a template, None without one; every mistake is noted."""
    fields = spec.mapping("concurrency")
    if fields is None:
        return None

    read = Concurrency(
        group=fields.name("group", ID, ID_RULE),
        by=_by(fields, variables),
        limit=fields.integer("limit", 1, 1, MAX_LIMIT),
        on_limit=fields.choice("onLimit", OnLimit.QUEUE),
    )
    fields.end()
    return read


def _by(fields: Fields, variables: Sequence[Variable]) -> tuple[str, ...]:
    known = {variable.id: variable for variable in variables}
    for place in fields.items("by", MAX_BY):
        name = place.node.text
        if name and name not in known:
            meant = f"; it must be {listed(known)}" if known else ": the template has none"
            place.add(f"there is no variable {quoted(name)}{meant}")
        elif name and known[name].type in _NO_PART_OF_A_NAME:
            place.add(f"is a variable of type `{known[name].type}`, which no group can be named by")
    return fields.names("by", MAX_BY, ID, ID_RULE)
