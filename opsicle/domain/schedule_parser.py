"""Documents of `type: Schedule` → checked schedules."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec
from cronsim import CronSimError

from opsicle.domain.documents import DocumentNode, Fields
from opsicle.domain.names import TEMPLATE_NAME, TEMPLATE_NAME_RULE
from opsicle.domain.problems import did_you_mean, quoted
from opsicle.domain.schedules import MIN_INTERVAL, Missed, Schedule, next_due
from opsicle.domain.values import Value
from opsicle.domain.yaml_documents import Kind, plain

SCHEDULE_TYPE = "Schedule"

MAX_VALUES = 100
MAX_JITTER_SECONDS = 86_400
MAX_INTERVAL = timedelta(days=366)
MIN_INTERVAL_OF_ALL = timedelta(minutes=1)
"""With `missed: all`, of which a week may have to be made up for."""

_DURATION = re.compile(r"([1-9][0-9]{0,7})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_MAX_CRON_CHARACTERS = 200
_CRON_RULE = "five fields: minute, hour, day of the month, month, day of the week"
_A_TIME = datetime(2026, 1, 1, tzinfo=UTC)
"""From which on a rule is tried: one that has no time within 50 years of it never has."""


def read_schedule(name: str, _labels: dict[str, str], spec: Fields) -> Schedule:
    """Return the schedule in a document's `spec`."""
    schedule = Schedule(
        name=name,
        template=spec.name("template", TEMPLATE_NAME, TEMPLATE_NAME_RULE),
        values=read_values(spec),
        cron=_cron(spec),
        every=_every(spec),
        time_zone=_time_zone(spec),
        jitter=spec.integer("jitter", 0, 0, MAX_JITTER_SECONDS),
        missed=spec.choice("missed", Missed.SKIP),
        overlap=spec.boolean("overlap"),
        run_as=spec.line("runAs", 320),
    )

    _check_times(spec, schedule)
    spec.end()
    return schedule


def read_values(spec: Fields) -> dict[str, Value]:
    """Return the values by variable; whether they fit is for whoever has the template."""
    values: dict[str, Value] = {}
    for name, place in spec.entries("values", MAX_VALUES):
        value = read_value(place)
        if value is not None:
            values[name] = value
    return values


def read_value(place: DocumentNode) -> Value | None:
    """Return the value at a place; None if it is empty, or, with a mistake noted, no value."""
    try:
        value: Value = msgspec.convert(plain(place.node), Value)
    except msgspec.ValidationError:
        if place.node.kind is not Kind.NULL:
            place.add(f"must be a value or a list of values, not {place.node.kind}")
        return None
    return value


def duration(place: DocumentNode) -> int:
    """Return the seconds of a text as `90s`, `15m`, `6h` or `1d`; 0 if it is wrong."""
    text = place.text() or ""
    match = _DURATION.fullmatch(text)
    if not match:
        if text:
            place.add(f"{quoted(text)} is no duration; it is written as `90s`, `15m`, `6h` or `1d`")
        return 0
    return int(match[1]) * _SECONDS[match[2]]


def _check_times(spec: Fields, schedule: Schedule) -> None:
    both = [key for key in ("cron", "every") if spec.has(key)]
    if len(both) != 1 and spec.place.node.kind is Kind.MAPPING:
        message = "has both `cron` and `every`" if both else "says no time"
        spec.place.add(f"{message}: it needs either `cron` or `every`")

    every = timedelta(seconds=schedule.every)
    jitter = spec.find("jitter")
    if jitter and every and schedule.jitter >= schedule.every:
        jitter.add("must be less than `every`")
    place = spec.find("missed")
    if place and every and schedule.missed is Missed.ALL and every < MIN_INTERVAL_OF_ALL:
        place.add("`all` needs at least one minute between two times")


def _cron(spec: Fields) -> str:
    place = spec.find("cron")
    text = place.line_of_text(_MAX_CRON_CHARACTERS) if place else None
    if place is None or text is None:
        return ""

    text = " ".join(text.split())
    if len(text.split()) != 5:
        place.add(f"{quoted(text)} is no cron rule: it has {_CRON_RULE}")
        return ""

    try:
        first = next_due(Schedule(name="", template="", cron=text), _A_TIME, _A_TIME)
    except CronSimError as error:
        wrong = str(error).removeprefix("Bad ")
        place.add(f"{quoted(text)} is no cron rule: its {wrong} cannot be; it has {_CRON_RULE}")
        return ""

    if first is None:
        place.add(f"{quoted(text)} never comes: no month has such a day")
    return text


def _every(spec: Fields) -> int:
    place = spec.find("every")
    seconds = duration(place) if place else 0
    if place and seconds and not MIN_INTERVAL <= timedelta(seconds=seconds) <= MAX_INTERVAL:
        place.add(f"must be between {MIN_INTERVAL.seconds} s and {MAX_INTERVAL.days} d")
    return seconds


def _time_zone(spec: Fields) -> str:
    place = spec.find("timeZone")
    name = place.line_of_text(64) if place else None
    if place is None or not name:
        return "UTC"

    if is_time_zone(name):
        return name
    from zoneinfo import available_timezones  # see `next_due`

    guess = did_you_mean(name, available_timezones())
    place.add(f"{quoted(name)} is no time zone{guess}; one is Europe/Berlin")
    return "UTC"


def is_time_zone(name: str) -> bool:
    """Return whether there is a time zone of this name, such as Europe/Berlin."""
    from zoneinfo import ZoneInfo  # see `next_due`

    try:
        ZoneInfo(name)
    # What the name of a folder, or of a file that is no zone, raises differs from version to
    # version of Python.
    except (OSError, ValueError, KeyError):
        return False
    return True
