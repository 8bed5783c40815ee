"""Documents of schedules: every field, and every mistake with its place."""

from __future__ import annotations

import pytest

from opsicle.domain.errors import InvalidInput
from opsicle.domain.schedules import Missed, Schedule
from opsicle.domain.template_parser import parse_schedule

HEAD = "apiVersion: v1\ntype: Schedule\nmetadata: {name: nightly}\nspec:\n"
CRON = '  template: backup\n  cron: "30 2 * * *"\n'
EVERY = "  template: backup\n  every: 15m\n"


def test_every_field_of_a_schedule_is_read() -> None:
    source = (
        HEAD
        + CRON
        + """\
  values: {database: orders, hosts: [a, b], depth: 3, empty: }
  timeZone: Europe/Berlin
  jitter: 300
  missed: once
  overlap: true
  runAs: backup-bot
"""
    )

    assert parse_schedule(source.encode()) == Schedule(
        name="nightly",
        template="backup",
        values={"database": "orders", "hosts": ["a", "b"], "depth": 3},
        cron="30 2 * * *",
        time_zone="Europe/Berlin",
        jitter=300,
        missed=Missed.ONCE,
        overlap=True,
        run_as="backup-bot",
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("15m", 900), ("6h", 21_600), ("1d", 86_400)]
)
def test_every_is_a_duration(text: str, seconds: int) -> None:
    source = HEAD + f"  template: backup\n  every: {text}\n"
    assert parse_schedule(source.encode()).every == seconds


@pytest.mark.parametrize(
    ("spec", "path", "message"),
    [
        ("  template: backup\n", "spec", "says no time"),
        (CRON + "  every: 5m\n", "spec", "both `cron` and `every`"),
        ("  every: 5m\n", "spec.template", "is missing"),
        (EVERY.replace("15m", "4s"), "spec.every", "between 5 s and 366 d"),
        (EVERY.replace("15m", "367d"), "spec.every", "between 5 s and 366 d"),
        (EVERY.replace("15m", "15"), "spec.every", "write it in quotes"),
        (EVERY.replace("15m", "'15 minutes'"), "spec.every", "is no duration"),
        (EVERY + "  jitter: 900\n", "spec.jitter", "less than `every`"),
        (EVERY + "  jitter: -1\n", "spec.jitter", "between 0"),
        (EVERY.replace("15m", "30s") + "  missed: all\n", "spec.missed", "at least one minute"),
        (EVERY + "  missed: twice\n", "spec.missed", "is not allowed"),
        (EVERY + "  timeZone: Europe/Brelin\n", "spec.timeZone", "did you mean `Europe/Berlin`"),
        (EVERY + "  timeZone: ../../etc/passwd\n", "spec.timeZone", "is no time zone"),
        (EVERY + "  timeZone: Europe\n", "spec.timeZone", "is no time zone"),
        (CRON.replace("30 2 * * *", "30 2 * *"), "spec.cron", "five fields"),
        (CRON.replace("30 2 * * *", "0 30 2 * * *"), "spec.cron", "five fields"),
        (CRON.replace("30 2 * * *", "@daily"), "spec.cron", "five fields"),
        (CRON.replace("30 2", "60 2"), "spec.cron", "its minute cannot be"),
        (CRON.replace("30 2 *", "30 2 32"), "spec.cron", "its day-of-month cannot be"),
        (CRON.replace("* * *", "30 2 *"), "spec.cron", "cannot be"),
        (CRON.replace("* * *", "29 2 1#1"), "spec.cron", ""),
        (CRON + "  values: {x: {y: 1}}\n", "spec.values.x", "a value or a list of values"),
        (CRON + "  timezone: UTC\n", "spec.timezone", "did you mean `timeZone`"),
    ],
)
def test_a_mistake_is_named_with_its_place(spec: str, path: str, message: str) -> None:
    try:
        parse_schedule((HEAD + spec).encode())
    except InvalidInput as error:
        found = [(problem.path, problem.message) for problem in error.problems]
    else:
        found = []

    if message:
        assert any(path == each and message in said for each, said in found), found
    else:
        assert found == []
