"""Schedules: what starts at which times, and when those are.

A cron rule is read in the schedule's time zone, as Debian's cron does where a clock is put forward
or back: what stands at a fixed time of day runs once on such a day, at the first minute after the
hour that is left out, and in the first of two hours with one name; what recurs within the hour
(`*` as its minutes or hours) goes by the time that really passes.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from cronsim import CronSim

from opsicle.domain.values import Value

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

MOST_SCHEDULES = 500
"""Of one org. Each may start something every `MIN_INTERVAL`."""

MIN_INTERVAL = timedelta(seconds=5)
ON_TIME = timedelta(seconds=60)
"""A start that is later than this was missed: the server was away, or held."""

MAKE_UP_FOR = timedelta(days=7)
"""How far back `missed: all` goes."""

MAX_SHOWN = 100
"""Of the times to come, in one answer."""

_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


class Missed(StrEnum):
    """What becomes of times at which nothing could be started."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


class StartOutcome(StrEnum):
    """What became of a time of a schedule, or of running it by hand."""

    STARTED = "started"
    SKIPPED = "skipped"
    MISSED = "missed"
    REFUSED = "refused"


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A template with its values, and when it is run: by `cron`, or `every` so many seconds.

    `principal_id` is whose rights it runs with: of whoever pushed it, or of `run_as`.
    """

    name: str
    template: str
    values: dict[str, Value] = {}
    cron: str = ""
    every: int = 0
    time_zone: str = "UTC"
    jitter: int = 0
    missed: Missed = Missed.SKIP
    overlap: bool = False
    run_as: str = ""
    principal_id: str = ""


def digest(schedule: Schedule) -> str:
    """Return `sha256:…` over what the schedule says, and whose rights it runs with."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(schedule, order="sorted")).hexdigest()


def next_due(schedule: Schedule, anchor: datetime, after: datetime) -> datetime | None:
    """Return the first time of a schedule later than `after`, in UTC; None if there is none.

    `every` counts from `anchor`, which is when the schedule was first pushed.
    """
    if schedule.every:
        step = timedelta(seconds=schedule.every)
        return anchor + max(1, (after - anchor) // step + 1) * step

    from zoneinfo import ZoneInfo  # nearly a megabyte, which a server without schedules saves

    zone = ZoneInfo(schedule.time_zone)
    minute, hour = schedule.cron.split()[:2]
    if minute.startswith("*") or hour.startswith("*"):
        return _next_recurring(schedule.cron, zone, after)
    return _next_fixed(schedule.cron, zone, after)


def _next_fixed(rule: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    for local in CronSim(rule, after.astimezone(zone)):
        due: datetime = local.astimezone(UTC)
        # The library goes on by the time of day, so that where a clock was put back it may begin
        # with what is over, and where one was put forward it gives the minute after twice.
        if due > after:
            return due
    return None


def _next_recurring(rule: str, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Return the same for a rule that goes by the time that passes.

    The library is asked for the time of day alone, since it loses times where clocks are put on by
    half an hour. Up to where they are, the time of day is that of UTC with one offset.
    """
    offset = _offset(zone, after)
    while True:
        found = next(CronSim(rule, (after + offset).replace(tzinfo=None)), None)
        if found is None:
            return None
        due: datetime = found.replace(tzinfo=UTC) - offset
        if _offset(zone, due) == offset:
            return due
        change = _next_change(zone, after, due)
        after, offset = change - _SECOND, _offset(zone, change)


def _next_change(zone: ZoneInfo, after: datetime, end: datetime) -> datetime:
    """Return the second from which on a zone's offset is another one, no later than `end`."""
    offset = _offset(zone, after)
    low, high = after, min(after + _DAY, end)
    while _offset(zone, high) == offset:
        low, high = high, min(high + _DAY, end)
    low, high = low.replace(microsecond=0), high.replace(microsecond=0)
    while high - low > _SECOND:
        middle = low + (high - low) // (2 * _SECOND) * _SECOND
        low, high = (middle, high) if _offset(zone, middle) == offset else (low, middle)
    return high


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()


def times_after(
    schedule: Schedule, anchor: datetime, after: datetime, count: int
) -> list[datetime]:
    """Return the next `count` times of a schedule, fewer if it has no more."""
    times: list[datetime] = []
    while len(times) < count and (due := next_due(schedule, anchor, after)) is not None:
        times.append(due)
        after = due
    return times


def start_of(schedule: Schedule, schedule_id: str, anchor: datetime, due: datetime) -> datetime:
    """Return when to start what is due: later by up to `jitter` seconds, before the next is due.

    It is always the same moment, so that a server that comes back knows it too.
    """
    if not schedule.jitter:
        return due
    following = next_due(schedule, anchor, due)
    most = schedule.jitter
    if following is not None:
        most = min(most, int((following - due - _SECOND).total_seconds()))
    number = int.from_bytes(hashlib.sha256(f"{schedule_id} {due.isoformat()}".encode()).digest())
    return due + timedelta(seconds=number % (most + 1))
