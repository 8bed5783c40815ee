"""Messages about schedules."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from opsicle.domain.automations import AutomationState
from opsicle.domain.schedules import Missed, StartOutcome
from opsicle.domain.templates import Value
from opsicle.wire.document_api import DocumentPushed
from opsicle.wire.user_api import Person


class SchedulePushed(DocumentPushed, kw_only=True):
    """What a push did. `next_at` is when the schedule starts next."""

    next_at: datetime | None


class LastStart(msgspec.Struct, kw_only=True):
    """What became of a schedule's last time, or of running it by hand (no `due_at`).

    `reason` says why nothing was started. `automation_id` is of the newest start, which may be an
    earlier one; `automation_state` its state, None once it is pruned.
    """

    outcome: StartOutcome
    at: datetime
    due_at: datetime | None = None
    reason: str = ""
    automation_id: str | None = None
    automation_state: AutomationState | None = None


class ScheduleSummary(msgspec.Struct, kw_only=True):
    """A schedule in a list. `every` is in seconds, 0 where `cron` says when.

    `next_at` is when it starts next, None while it is paused. `runs_as` is whose rights it has.
    It is failing while what it was to start last was refused.
    """

    name: str
    version: int
    template: str
    state: Literal["active", "paused", "failing"]
    cron: str
    every: int
    time_zone: str
    next_at: datetime | None
    last_start: LastStart | None
    runs_as: Person
    pushed_by: Person
    pushed_at: datetime
    message: str = ""


class ScheduleVersion(ScheduleSummary, kw_only=True):
    """One version whole: `source` is the document as it was pushed."""

    latest_version: int
    digest: str
    values: dict[str, Value]
    jitter: int
    missed: Missed
    overlap: bool
    source: str


class NextTimes(msgspec.Struct, kw_only=True):
    """The times to come in UTC, without jitter; none for a schedule that is paused."""

    next_times: list[datetime]
    time_zone: str
