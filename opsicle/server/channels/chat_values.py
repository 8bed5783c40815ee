"""The values that a pause asks for, in a chat: asked for in words, and read from lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsicle.domain.errors import InvalidInput
from opsicle.domain.problems import did_you_mean, quoted
from opsicle.domain.templates import Value, Variable
from opsicle.domain.values import as_text
from opsicle.domain.variables import parse_text
from opsicle.server.access.validators import invalid
from opsicle.wire.approval_api import Approval

_NEEDED = "needed"


def values_question(asked: Approval) -> str:
    """Return what to ask whoever would let a job go on, "" if they need not give values.

    Who comes after somebody else is shown what that one gave, and has to say the same: nobody
    agrees to values that they have not seen.
    """
    if not asked.asked_variables:
        return ""
    if asked.given:
        lines = "\n".join(_lines(asked.asked_variables, asked.given))
        return f"Others have agreed to these values. Send me the same lines to agree:\n{lines}"
    if not any(_is_needed(variable) for variable in asked.asked_variables):
        return ""
    lines = "\n".join(_asking_line(variable) for variable in asked.asked_variables)
    return f"Send me the values, each on a line of its own:\n{lines}"


def values_in(variables: Sequence[Variable], text: str) -> dict[str, Value]:
    """Return the values in lines such as `lag=3`; several lines of one id are several items.

    Raises InvalidInput with the path `values`, or `values.<id>`.
    """
    known = {variable.id: variable for variable in variables}
    given: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, separator, value = (part.strip() for part in line.partition("="))
        if not separator:
            raise invalid(
                "values", f"{quoted(line[:64])} is no line such as `{next(iter(known))}=…`"
            )
        if name not in known:
            message = f"it asks for no {quoted(name[:64])}{did_you_mean(name[:64], known)}"
            raise invalid("values", message)
        if name in given and not known[name].multiple:
            raise invalid("values", f"{name} is given more than once")
        given.setdefault(name, []).append(value)
    return {name: parse_text(known[name], "\n".join(items)) for name, items in given.items()}


def problem_text(error: InvalidInput) -> str:
    """Return what is wrong with values, in words."""
    return "; ".join(
        f"{problem.path.removeprefix('values.')}: {problem.message}" for problem in error.problems
    )


def _lines(variables: Sequence[Variable], given: Mapping[str, Value]) -> list[str]:
    found = []
    for variable in variables:
        value = given.get(variable.id)
        items = value if isinstance(value, list) else [value]
        found += [f"{variable.id}={as_text(item)}" for item in items if item is not None]
    return found


def _asking_line(variable: Variable) -> str:
    facts = [variable.label, _type_of(variable), _NEEDED if _is_needed(variable) else ""]
    if variable.default is not None:
        facts.append(f"{as_text(variable.default)} unless told")
    return f"{variable.id}=… ({', '.join(filter(None, facts))})"


def _type_of(variable: Variable) -> str:
    if variable.options:
        return "one of " + ", ".join(as_text(option) for option in variable.options)
    return str(variable.type)


def _is_needed(variable: Variable) -> bool:
    return variable.is_required and variable.default is None
