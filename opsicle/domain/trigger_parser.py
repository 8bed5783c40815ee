"""Documents of `type: Trigger` → checked triggers."""

from __future__ import annotations

import re

from opsicle.domain.documents import DocumentNode, Fields
from opsicle.domain.json_pointers import MAX_POINTER_CHARACTERS, POINTER, POINTER_RULE
from opsicle.domain.names import TEMPLATE_NAME, TEMPLATE_NAME_RULE
from opsicle.domain.problems import quoted
from opsicle.domain.schedule_parser import MAX_VALUES, read_value
from opsicle.domain.triggers import (
    BodyCondition,
    BodyField,
    CallRate,
    Deduplication,
    Trigger,
    VerifyMethod,
)
from opsicle.domain.values import Scalar, Value
from opsicle.domain.yaml_documents import Kind

TRIGGER_TYPE = "Trigger"

MAX_CONDITIONS = 20
MAX_OPTIONS = 100
MAX_WINDOW_SECONDS = 7 * 86_400

_RATE = re.compile(r"([1-9][0-9]{0,3})/([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600}

_FIRING = BodyCondition(pointer="/status", one_of=("firing",))
_SAME_GROUP = Deduplication("/groupKey", 300)
"""Alertmanager sends again where it got no answer, at most until its next look at the group."""


def read_trigger(name: str, _labels: dict[str, str], spec: Fields) -> Trigger:
    """Return the trigger in a document's `spec`.

    One of Alertmanager's starts something for alerts that fire, once for each group in five
    minutes, unless it says otherwise.
    """
    values, fields = _read_values(spec)
    verify = spec.choice("verify", VerifyMethod.HMAC)
    is_alertmanager = verify is VerifyMethod.ALERTMANAGER
    conditions = _read_conditions(spec)
    dedupe = _read_dedupe(spec)
    trigger = Trigger(
        name=name,
        template=spec.name("template", TEMPLATE_NAME, TEMPLATE_NAME_RULE),
        verify=verify,
        values=values,
        fields=fields,
        conditions=(_FIRING,) if is_alertmanager and not spec.has("filter") else conditions,
        dedupe=_SAME_GROUP if is_alertmanager and not spec.has("dedupe") else dedupe,
        rate=_read_rate(spec),
        run_as=spec.line("runAs", 320),
    )
    spec.end()
    return trigger


def _read_values(spec: Fields) -> tuple[dict[str, Value], dict[str, BodyField]]:
    """Return the values that stand as they are, and those that the body has."""
    values: dict[str, Value] = {}
    fields: dict[str, BodyField] = {}
    for name, place in spec.entries("values", MAX_VALUES):
        if place.node.kind is Kind.MAPPING:
            within = place.mapping()
            default = within.find("default")
            fields[name] = BodyField(_pointer(within), read_value(default) if default else None)
            within.end()
        elif (value := read_value(place)) is not None:
            values[name] = value
    return values, fields


def _read_conditions(spec: Fields) -> tuple[BodyCondition, ...]:
    conditions = []
    for place in spec.items("filter", MAX_CONDITIONS):
        fields = place.mapping()
        condition = BodyCondition(
            pointer=_pointer(fields),
            one_of=_options(fields, "in"),
            none_of=_options(fields, "notIn"),
            exists=fields.boolean("exists") if fields.has("exists") else None,
        )
        if place.node.kind is Kind.MAPPING and not any(
            fields.has(key) for key in ("in", "notIn", "exists")
        ):
            place.add("says nothing of what stands there: it needs `in`, `notIn` or `exists`")
        fields.end()
        conditions.append(condition)
    return tuple(conditions)


def _options(fields: Fields, key: str) -> tuple[Scalar, ...]:
    options: list[Scalar] = []
    for place in fields.items(key, MAX_OPTIONS, is_required=fields.has(key)):
        option = read_value(place)
        if isinstance(option, list):
            place.add("must be a single value, not a list")
        elif option is not None:
            options.append(option)
    return tuple(options)


def _read_dedupe(spec: Fields) -> Deduplication | None:
    fields = spec.mapping("dedupe")
    if fields is None:
        return None
    window = fields.integer("window", 1, 1, MAX_WINDOW_SECONDS, is_required=True)
    dedupe = Deduplication(_pointer(fields), window)
    fields.end()
    return dedupe


def _read_rate(spec: Fields) -> CallRate:
    place = spec.find("rate")
    text = place.text() if place else None
    if place is None or text is None:
        return CallRate()
    match = _RATE.fullmatch(text)
    if not match:
        place.add(f"{quoted(text)} is no rate; it is written as `10/m`, with `s`, `m` or `h`")
        return CallRate()
    return CallRate(int(match[1]), _SECONDS[match[2]])


def _pointer(fields: Fields) -> str:
    place = fields.find("pointer", is_required=True)
    text = place.line_of_text(MAX_POINTER_CHARACTERS) if place else None
    if place is None or text is None:
        return ""
    _check_pointer(place, text)
    return text


def _check_pointer(place: DocumentNode, text: str) -> None:
    if not POINTER.fullmatch(text):
        place.add(f"{quoted(text)} is no pointer: it is {POINTER_RULE}")
