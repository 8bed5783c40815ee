"""Reading what starts other templates: `onSuccess` and `onFailure`."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from opsicle.domain.calls import Call, ValueSource
from opsicle.domain.documents import DocumentNode, Fields
from opsicle.domain.names import ID, ID_RULE, TEMPLATE_NAME, TEMPLATE_NAME_RULE
from opsicle.domain.problems import listed, nearest, quoted
from opsicle.domain.templates import Phase, Variable, VariableType
from opsicle.domain.values import Value
from opsicle.domain.yaml_documents import Kind, plain

MAX_CHAINED = 10
MAX_VALUES = 100


def parse_chained(
    spec: Fields, key: str, variables: Collection[Variable], phases: Collection[Phase]
) -> tuple[Call, ...]:
    """Return what a template starts once it has ended."""
    outputs = [name for phase in phases for name in phase.outputs]
    return tuple(_call(place, variables, outputs) for place in spec.items(key, MAX_CHAINED))


def _call(place: DocumentNode, variables: Collection[Variable], outputs: Collection[str]) -> Call:
    fields = place.mapping()
    call = Call(
        template=fields.name("template", TEMPLATE_NAME, TEMPLATE_NAME_RULE),
        values={
            name: _source(each, variables, outputs)
            for name, each in fields.entries("values", MAX_VALUES)
        },
    )
    fields.end()
    return call


def _source(
    place: DocumentNode, variables: Collection[Variable], outputs: Collection[str]
) -> ValueSource:
    if place.node.kind is not Kind.MAPPING:
        return ValueSource(value=_literal(place))

    fields = place.mapping()
    source = ValueSource(
        variable=fields.name("variable", ID, ID_RULE, is_required=False),
        output=fields.name("output", ID, ID_RULE, is_required=False),
    )
    fields.end()
    if fields.has("variable") == fields.has("output"):
        place.add("must name either an `output` or a `variable`, or be a value itself")
    if source.variable:
        _check_variable(place, source.variable, variables)
    if source.output and source.output not in outputs:
        known = f"which are {listed(outputs)}" if outputs else "and there are none"
        place.add(
            f"{quoted(source.output)} is not among the outputs of the phases, {known}"
            f"{nearest(source.output, outputs)}"
        )
    return source


def _literal(place: DocumentNode) -> Value | None:
    try:
        value: Value = msgspec.convert(plain(place.node), Value)
    except msgspec.ValidationError:
        place.add("must be a value, a list of values, or where the value comes from")
        return None
    return value


def _check_variable(place: DocumentNode, name: str, variables: Collection[Variable]) -> None:
    found = next((each for each in variables if each.id == name), None)
    if found is None:
        known = [each.id for each in variables]
        place.add(f"the template has no variable {quoted(name)}{nearest(name, known)}")
    elif found.type is VariableType.SECRET:
        place.add(
            f"{quoted(name)} is of type `{found.type}`, and those values are not passed on; "
            "keep it as a secret of the org, which the other template's phases name under "
            "`secrets`"
        )
