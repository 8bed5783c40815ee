"""Reading what starts other templates: `onSuccess`, `onFailure`, and a phase's `call`."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from opsicle.domain.calls import Call, ValueSource
from opsicle.domain.documents import DocumentNode, Fields
from opsicle.domain.names import ID, ID_RULE, TEMPLATE_NAME, TEMPLATE_NAME_RULE
from opsicle.domain.problems import did_you_mean, listed, quoted
from opsicle.domain.secrets import SECRET_NAME, SECRET_NAME_RULE
from opsicle.domain.templates import Phase, Template, Variable
from opsicle.domain.values import Value
from opsicle.domain.yaml_documents import Kind, plain

MAX_CHAINED = 10
MAX_SIDE_BY_SIDE = 20
MAX_VALUES = 100
MAX_VERSION = 2**31 - 1

_BESIDE_CALL = frozenset({"name", "call", "when", "outputs", "onFailure"})


def parse_chained(
    spec: Fields, key: str, variables: Collection[Variable], phases: Collection[Phase]
) -> tuple[Call, ...]:
    """Return what a template starts once it has ended."""
    outputs = [name for phase in phases for name in phase.outputs]
    calls = []
    for place in spec.items(key, MAX_CHAINED):
        call = _call(place, has_version=False)
        _check_sources(place, call, variables, outputs)
        calls.append(call)
    return tuple(calls)


def parse_call(fields: Fields) -> tuple[Call, ...]:
    """Return what a phase calls instead of running commands; none if it runs some.

    Where the values come from is for `check_calls`, which knows the template.
    """
    place = fields.find("call")
    if place is None:
        return ()

    for key, node in fields.place.node.fields.items():
        if key not in _BESIDE_CALL and (other := fields.find(key)):
            other.problems.add(
                other.path, "has no meaning in a phase that calls: it runs nothing", node.line
            )
    if place.node.kind is not Kind.LIST:
        return (_call(place, has_version=True),)
    return tuple(
        _call(each, has_version=True)
        for each in fields.items("call", MAX_SIDE_BY_SIDE, is_required=True)
    )


def check_calls(spec: Fields, template: Template) -> None:
    """Note what calls take values from that is not there when they are made."""
    place = spec.find("plan")
    for phase in template.plan:
        if place and phase.calls:
            place.add(f"phase {quoted(phase.name)} would call a template; a plan only reads")

    body = spec.find("template")
    phases = body.mapping().find("phases") if body else None
    if phases is None:
        return
    outputs: list[str] = []
    for node, phase in zip(phases.items(), template.phases, strict=False):
        if phase.calls and (call := node.mapping().find("call")):
            places = call.items() if call.node.kind is Kind.LIST else [call]
            for each, at in zip(phase.calls, places, strict=False):
                _check_sources(at, each, template.variables, outputs)
        outputs += phase.outputs


def _check_sources(
    place: DocumentNode, call: Call, variables: Collection[Variable], outputs: Collection[str]
) -> None:
    for name, at in place.mapping().entries("values", MAX_VALUES):
        _check_source(at, call.values.get(name, ValueSource()), variables, outputs)


def _call(place: DocumentNode, *, has_version: bool) -> Call:
    fields = place.mapping()
    call = Call(
        template=fields.name("template", TEMPLATE_NAME, TEMPLATE_NAME_RULE),
        version=(fields.integer("version", 0, 1, MAX_VERSION) or None) if has_version else None,
        values={name: _source(each) for name, each in fields.entries("values", MAX_VALUES)},
    )
    fields.end()
    return call


def _source(place: DocumentNode) -> ValueSource:
    if place.node.kind is not Kind.MAPPING:
        return ValueSource(value=_literal(place))

    fields = place.mapping()
    source = ValueSource(
        variable=fields.name("variable", ID, ID_RULE, is_required=False),
        output=fields.name("output", ID, ID_RULE, is_required=False),
        secret=fields.name("secret", SECRET_NAME, SECRET_NAME_RULE, is_required=False),
    )
    fields.end()
    if sum(fields.has(key) for key in ("variable", "output", "secret")) != 1:
        place.add("must name one `output`, `variable` or `secret`, or be a value itself")
    return source


def _check_source(
    place: DocumentNode,
    source: ValueSource,
    variables: Collection[Variable],
    outputs: Collection[str],
) -> None:
    if source.variable:
        _check_variable(place, source.variable, variables)
    if source.output and source.output not in outputs:
        known = f"which are {listed(outputs)}" if outputs else "and there are none"
        place.add(
            f"{quoted(source.output)} is not among the outputs of the phases, {known}"
            f"{did_you_mean(source.output, outputs)}"
        )


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
        place.add(f"the template has no variable {quoted(name)}{did_you_mean(name, known)}")
