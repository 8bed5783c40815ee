"""The examples, as they are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsicle.domain.schedules import Schedule
from opsicle.domain.shell_lint import warnings
from opsicle.domain.targets import Target
from opsicle.domain.template_parser import parse_document, parse_template, parse_trigger
from opsicle.domain.trigger_mapping import check_mapping
from opsicle.domain.triggers import Trigger, VerifyMethod
from tests.product import CHECKOUT

EXAMPLES = sorted((CHECKOUT / "examples").glob("*.yaml"))
ALERTMANAGER = CHECKOUT / "examples" / "alertmanager"


@pytest.mark.parametrize(
    "path", [*EXAMPLES, ALERTMANAGER / "clean-logs.yaml"], ids=lambda path: path.stem
)
def test_an_example_is_without_mistake_or_warning_and_this_version_can_run_it(path: Path) -> None:
    template = parse_template(path.read_bytes())

    assert template.name == path.stem
    assert template.display_name
    assert template.description
    assert warnings(template) == []


def test_an_example_of_a_schedule_starts_an_example() -> None:
    path = CHECKOUT / "examples" / "schedules" / "nightly-report.yaml"

    schedule = parse_document(path.read_bytes())

    assert isinstance(schedule, Schedule)
    assert schedule.template in {path.stem for path in EXAMPLES}


TRIGGERS = [
    *sorted((CHECKOUT / "examples" / "triggers").glob("*.yaml")),
    ALERTMANAGER / "disk-full.yaml",
]


@pytest.mark.parametrize("path", TRIGGERS, ids=lambda path: path.stem)
def test_an_example_of_a_trigger_gives_an_example_what_it_needs(path: Path) -> None:
    trigger = parse_document(path.read_bytes())

    assert isinstance(trigger, Trigger)
    (source,) = (CHECKOUT / "examples").rglob(f"{trigger.template}.yaml")
    template = parse_template(source.read_bytes())
    check_mapping(trigger, template.variables)


def test_there_is_an_example_of_a_trigger_for_each_kind_of_sender() -> None:
    shown = {parse_trigger(path.read_bytes()).verify for path in TRIGGERS}

    assert shown | {VerifyMethod.BEARER} == set(VerifyMethod)


def test_an_example_of_a_target_is_one() -> None:
    path = CHECKOUT / "examples" / "targets" / "web1.yaml"

    target = parse_document(path.read_bytes())

    assert isinstance(target, Target)
    assert target.name == path.stem


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 6
