"""The schema of templates has the fields that the parser knows, all of them and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.template_parser import parse_template
from opsicle.domain.template_schema import template_schema
from tests.product import CHECKOUT

UNKNOWN = "zzz: 1"
PLACES = {
    "": "",
    "metadata": "metadata: U",
    "spec": "spec: U",
    "spec.metadata": "spec: {metadata: U}",
    "spec.metadata.owners[]": "spec: {metadata: {owners: [U]}}",
    "spec.approvalPolicy": "spec: {approvalPolicy: U}",
    "spec.approvalPolicy.spec": "spec: {approvalPolicy: {spec: U}}",
    "spec.approvalPolicy.spec.gates[]": "spec: {approvalPolicy: {spec: {gates: [U]}}}",
    "spec.approvalPolicy.spec.gates[].approvers": (
        "spec: {approvalPolicy: {spec: {gates: [{approvers: U}]}}}"
    ),
    "spec.approvalPolicy.spec.gates[].when[]": (
        "spec: {approvalPolicy: {spec: {gates: [{when: [U]}]}}}"
    ),
    "spec.approvalPolicy.spec.gates[].escalate[]": (
        "spec: {approvalPolicy: {spec: {gates: [{escalate: [U]}]}}}"
    ),
    "spec.notify[]": "spec: {notify: [U]}",
    "spec.notify[].chats[]": "spec: {notify: [{chats: [U]}]}",
    "spec.variables[]": "spec: {variables: [U]}",
    "spec.runsOn": "spec: {runsOn: U}",
    "spec.runsOn.each": "spec: {runsOn: {each: U}}",
    "spec.runsOn.targets": "spec: {runsOn: {targets: U}}",
    "spec.concurrency": "spec: {concurrency: U}",
    "spec.onSuccess[]": "spec: {onSuccess: [U]}",
    "spec.onFailure[]": "spec: {onFailure: [U]}",
    "spec.plan[]": "spec: {plan: [U]}",
    "spec.template": "spec: {template: U}",
    "spec.template.volumeMounts[]": "spec: {template: {volumeMounts: [U]}}",
    "spec.template.phases[]": "spec: {template: {phases: [U]}}",
    "spec.template.phases[].retries": "spec: {template: {phases: [{retries: U}]}}",
    "spec.template.phases[].limits": "spec: {template: {phases: [{limits: U}]}}",
    "spec.template.phases[].slurm": "spec: {template: {phases: [{slurm: U}]}}",
    "spec.template.phases[].kubernetes": "spec: {template: {phases: [{kubernetes: U}]}}",
    "spec.template.phases[].pause": (
        "spec: {template: {phases: [{pause: {approvers: {manager: true}, zzz: 1}}]}}"
    ),
    "spec.template.phases[].pause.escalate[]": (
        "spec: {template: {phases: [{pause: {approvers: {manager: true}, escalate: [U]}}]}}"
    ),
    "spec.template.phases[].call": "spec: {template: {phases: [{call: U}]}}",
    "spec.template.phases[].call.values.x": (
        "spec: {template: {phases: [{call: {values: {x: U}}}]}}"
    ),
}


def problems_with(place: str, field: str, value: int) -> list[str]:
    """Return what the parser says of a field in a template that has little else."""
    given = f"{field}: {value}"
    wrong = PLACES[place].replace("U", f"{{{UNKNOWN}}}") if place else UNKNOWN
    wrong = wrong.replace(UNKNOWN, given)
    source = f"apiVersion: v1\ntype: AutomationTemplate\n{wrong}\n"
    for missing in ("metadata: {name: a}", "spec: {template: {}}"):
        if not wrong.startswith(missing.partition(":")[0]):
            source += f"{missing}\n"
    with pytest.raises(InvalidInput) as refused:
        parse_template(source.encode())
    return [each.message for each in refused.value.problems if each.path.endswith(field)]


def known_to_parser(place: str) -> set[str]:
    """Return the fields that the parser offers where one stands that it does not know."""
    [message] = [each for each in problems_with(place, "zzz", 1) if "known here" in each]
    return set(re.findall(r"`(\w+)`", message.partition("known here")[2]))


def at(schema: dict[str, Any], place: str) -> dict[str, Any]:
    """Return the part of the schema for a place such as `spec.plan[]`."""
    found = schema
    for step in filter(None, place.replace("[]", ".[]").split(".")):
        found = resolved(schema, found)
        if step == "[]":
            found = found["items"]
        elif step in found.get("properties", {}):
            found = found["properties"][step]
        else:
            found = found["additionalProperties"]
    return resolved(schema, found)


def resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    for key in ("oneOf", "anyOf"):
        part = part[key][0] if key in part else part
    reference = part.get("$ref", "")
    return schema["$defs"][reference.rpartition("/")[2]] if reference else part


@pytest.mark.parametrize("place", PLACES)
def test_the_schema_has_at_each_place_the_fields_that_the_parser_knows(place: str) -> None:
    assert set(at(template_schema(), place)["properties"]) == known_to_parser(place)


@pytest.mark.parametrize("place", PLACES)
def test_the_schema_ends_where_the_parser_does(place: str) -> None:
    fields = at(template_schema(), place)["properties"]

    for name, field in fields.items():
        if most := field.get("maximum"):
            problems = " ".join(problems_with(place, name, most + 1))
            assert f"{most:,}" in problems or str(most) in problems


def test_no_place_of_the_schema_is_left_out() -> None:
    schema = template_schema()

    compared = {id(at(schema, place)) for place in PLACES}

    assert [each for each in objects_in(schema) if id(each) not in compared] == []


GUIDE = ("templates", "approvals", "pauses", "chaining")
"""The pages that say something of every field."""

CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)


def words_of_code(text: str) -> set[str]:
    return set(re.findall(r"\w+", " ".join(CODE.findall(text))))


@pytest.mark.parametrize("place", PLACES)
def test_each_field_stands_in_the_guide(place: str) -> None:
    guide = "\n".join((CHECKOUT / f"docs/{name}.md").read_text() for name in GUIDE)

    assert set(at(template_schema(), place)["properties"]) - words_of_code(guide) == set()


@pytest.mark.parametrize("place", ["spec", "spec.variables[]", "spec.template.phases[]"])
def test_each_field_has_a_line_in_a_table_of_the_guide(place: str) -> None:
    guide = (CHECKOUT / "docs/templates.md").read_text()
    explained = "\n".join(re.findall(r"^\|([^|]+)\|", guide, re.MULTILINE))

    assert set(at(template_schema(), place)["properties"]) - words_of_code(explained) == set()


def objects_in(part: Any) -> Iterator[dict[str, Any]]:
    """Return every mapping of the schema that has named fields, however deep."""
    if isinstance(part, dict) and part.get("additionalProperties") is False:
        yield part
    inside = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for each in inside:
        yield from objects_in(each)
