"""The examples, as they are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from opsicle.domain.schedules import Schedule
from opsicle.domain.shell_lint import warnings
from opsicle.domain.template_parser import parse_document, parse_template
from opsicle.domain.unsupported import unsupported
from tests.product import CHECKOUT

EXAMPLES = sorted((CHECKOUT / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_without_mistake_or_warning_and_this_version_can_run_it(path: Path) -> None:
    template = parse_template(path.read_bytes())

    assert template.name == path.stem
    assert template.display_name
    assert template.description
    assert warnings(template) == []
    assert unsupported(template) == []


def test_an_example_of_a_schedule_starts_an_example() -> None:
    path = CHECKOUT / "examples" / "schedules" / "nightly-report.yaml"

    schedule = parse_document(path.read_bytes())

    assert isinstance(schedule, Schedule)
    assert schedule.template in {path.stem for path in EXAMPLES}


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 6
