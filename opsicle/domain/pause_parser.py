"""Reading where a phase asks people: a `pause`, and `onFailure: ask`."""

from __future__ import annotations

from opsicle.domain.documents import Fields
from opsicle.domain.gate_parser import read_gate
from opsicle.domain.names import environment_name
from opsicle.domain.policies import Approvers, Gate
from opsicle.domain.problems import quoted
from opsicle.domain.templates import OnFailure, Pause, Variable, VariableType, When
from opsicle.domain.variable_parser import parse_variables

PAUSE_GATE = "pause"
"""The name of the one gate of a pause."""

_BESIDE_PAUSE = frozenset({"name", "pause", "when"})
_NOT_ASKED_FOR = frozenset({VariableType.SECRET, VariableType.FILE})


def parse_pause(fields: Fields) -> Pause | None:
    """Return what a phase asks people instead of running commands; None if it runs some."""
    inner = fields.mapping("pause")
    if inner is None:
        return None

    for key, node in fields.place.node.fields.items():
        if key not in _BESIDE_PAUSE and (place := fields.find(key)):
            place.problems.add(
                place.path, "has no meaning in a phase that pauses: it runs nothing", node.line
            )
    _require_success(fields, "a pause is asked")

    message = inner.text("message", 4_000)
    place = inner.find("message", is_required=True)
    if place and not message.strip():
        place.add("must say what people are asked")

    pause = Pause(message=message, gate=_gate(inner), variables=_variables(inner))
    inner.end()
    return pause


def parse_on_failure(fields: Fields) -> OnFailure:
    """Return what a phase does when it fails."""
    on_failure = fields.choice("onFailure", OnFailure.FAIL)
    if on_failure is OnFailure.ASK and not fields.has("pause"):
        _require_success(fields, "people can be asked after a failure")
    return on_failure


def check_asked_variables(
    spec: Fields, variables: tuple[Variable, ...], pauses: list[tuple[str, Pause]]
) -> None:
    """Note each variable of a pause that would be the same to commands as another one.

    `pauses` are those of a template, each with its phase's name.
    """
    seen = {environment_name(variable.id): variable.id for variable in variables}
    for phase, pause in pauses:
        for variable in pause.variables:
            name = environment_name(variable.id)
            if name in seen:
                spec.place.add(
                    f"phase {quoted(phase)} asks for {quoted(variable.id)}, and "
                    f"{quoted(seen[name])} is `{name}` in the commands already; rename one"
                )
            seen[name] = variable.id


def _gate(inner: Fields) -> Gate:
    place = inner.find("approvers", is_required=True)
    if place is None:
        return Gate(name=PAUSE_GATE, approvers=Approvers())
    return read_gate(inner, PAUSE_GATE)


def _variables(inner: Fields) -> tuple[Variable, ...]:
    variables = parse_variables(inner)
    place = inner.find("variables")
    for variable in variables:
        if place and variable.type in _NOT_ASKED_FOR:
            place.add(
                f"{quoted(variable.id)} is of type `{variable.type}`, and what a pause is given is "
                "seen by whoever decides; ask for it when the template is run"
            )
    return variables


def _require_success(fields: Fields, what: str) -> None:
    if fields.choice("when", When.SUCCESS) is not When.SUCCESS and (place := fields.find("when")):
        place.add(f"{what} only while all has gone well; leave `when` out")
