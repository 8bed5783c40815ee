"""When schedules are due, compared with a slow and obvious reference: every minute is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from opsicle.domain.schedules import Schedule, next_due, start_of, times_after

MINUTE = timedelta(minutes=1)

CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, tzinfo=UTC)),
]
"""Both changes of each zone; the last one puts its clocks on by half an hour."""

RULES = [
    "30 2 * * *",
    "30 1 * * *",
    "0 2 * * *",
    "0 3 * * *",
    "15,45 1,2 * * *",
    "0,10,20,30,40,50 2 * * *",
    "59 1 * * *",
    "0 0 * * *",
    "30 2 29 3 *",
    "30 2 * * 0",
    "30 2 * * 1-5",
    "5 */2 * * *",
    "*/7 * * * *",
    "0 * * * *",
    "30 * * * *",
    "* 2 * * *",
    "*/20 1-2 * * *",
    "15 1-3 * * *",
]


def matches(field: str, value: int, low: int) -> bool:
    """Return whether a value is meant by a field of a rule: lists, ranges and steps."""
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        start = low if span == "*" else int(first)
        end = 10_000 if span == "*" else int(last or first)
        if start <= value <= end and (value - start) % int(step or 1) == 0:
            return True
    return False


def is_meant(rule: str, local: datetime) -> bool:
    minute, hour, day, month, weekday = rule.split()
    return (
        matches(minute, local.minute, 0)
        and matches(hour, local.hour, 0)
        and matches(day, local.day, 1)
        and matches(month, local.month, 1)
        and matches(weekday, local.isoweekday() % 7, 0)
    )


def reference(rule: str, zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the times of a rule, minute by minute.

    A rule with `*` in its minutes or hours goes by the time that passes. Any other: once for each
    minute of the day that it means. One that comes twice counts the first time, and those that are
    left out count together at the first minute after.
    """
    minute, hour = rule.split()[:2]
    recurs = minute.startswith("*") or hour.startswith("*")
    seen = set()
    at, before = start, (start - MINUTE).astimezone(zone).replace(tzinfo=None)
    while at < end:
        wall = at.astimezone(zone).replace(tzinfo=None)
        left_out = []
        while before + MINUTE < wall:
            before += MINUTE
            left_out.append(before)
        named = [wall] if recurs else [one for one in (*left_out, wall) if one not in seen]
        if any(is_meant(rule, one) for one in named):
            yield at
        seen.update(named)
        before = max(before, wall)
        at += MINUTE


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("zone", "change"), CHANGES, ids=[f"{zone} {change:%m-%d}" for zone, change in CHANGES]
)
def test_the_times_around_a_change_of_the_clocks_are_those_of_the_reference(
    zone: str, change: datetime, rule: str
) -> None:
    schedule = Schedule(name="x", template="x", cron=rule, time_zone=zone)
    start, end = change - timedelta(days=1), change + timedelta(days=3)
    expected = list(reference(rule, ZoneInfo(zone), start, end))

    found: list[datetime] = []
    due = next_due(schedule, start, start - timedelta(seconds=1))
    while due and due < end:
        found.append(due)
        due = next_due(schedule, start, due)

    assert found == expected


@pytest.mark.parametrize(
    ("zone", "change"), CHANGES, ids=[f"{zone} {change:%m-%d}" for zone, change in CHANGES]
)
def test_the_next_time_is_the_same_from_whichever_moment_one_looks(
    zone: str, change: datetime
) -> None:
    """A server that comes back at any moment goes on as one that was never away."""
    start, end = change - timedelta(hours=14), change + timedelta(hours=30)
    for rule in ("30 2 * * *", "15,45 1,2 * * *", "*/20 * * * *"):
        schedule = Schedule(name="x", template="x", cron=rule, time_zone=zone)
        times = times_after(schedule, start, start, 200)
        at = start
        while at < end:
            after = at + timedelta(seconds=17)
            assert next_due(schedule, start, after) == next(one for one in times if one > after)
            at += timedelta(minutes=13)


def test_every_counts_from_where_it_began() -> None:
    began = datetime(2026, 1, 1, 10, 7, 3, tzinfo=UTC)
    schedule = Schedule(name="x", template="x", every=900)

    assert next_due(schedule, began, began) == began + timedelta(minutes=15)
    assert next_due(schedule, began, began - timedelta(days=1)) == began + timedelta(minutes=15)
    later = began + timedelta(days=400, minutes=14, seconds=59)
    assert next_due(schedule, began, later) == began + timedelta(days=400, minutes=15)


def test_jitter_delays_each_time_by_less_than_the_gap_and_always_alike() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    schedule = Schedule(name="x", template="x", cron="*/5 * * * *", jitter=3_600)
    times = times_after(schedule, began, began, 300)

    starts = [start_of(schedule, "id", began, due) for due in times]

    assert starts == [start_of(schedule, "id", began, due) for due in times]
    assert starts != [start_of(schedule, "other", began, due) for due in times]
    assert all(due <= start for due, start in zip(times, starts, strict=True))
    assert all(start < due for start, due in zip(starts, times[1:], strict=False))
    assert len({start - due for due, start in zip(times, starts, strict=True)}) > 100
    assert all(one < other for one, other in pairwise(starts))
