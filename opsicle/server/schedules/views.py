"""What people see of a schedule, put together from its rows."""

from __future__ import annotations

from typing import Literal

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.automations import known_state
from opsicle.domain.schedules import Schedule, StartOutcome
from opsicle.domain.stored_json import CANNOT_BE_READ
from opsicle.server.documents.versions import person_of, pusher_of
from opsicle.server.store.database import Connection
from opsicle.server.store.documents import VersionRow
from opsicle.server.store.schedules import ScheduleRow
from opsicle.wire.schedule_api import LastStart, ScheduleSummary, ScheduleVersion


def shown(db: Connection, row: ScheduleRow, version: VersionRow) -> ScheduleSummary:
    """Return a version of a schedule as it stands in a list."""
    schedule = _read(version)
    return ScheduleSummary(
        name=row.name,
        version=version.version,
        template=schedule.template,
        state=_state(row, version),
        cron=schedule.cron,
        every=schedule.every,
        time_zone=schedule.time_zone,
        next_at=row.start_at,
        last_start=_last(row),
        runs_as=person_of(db, schedule.principal_id),
        pushed_by=pusher_of(version),
        pushed_at=version.pushed_at,
        message=version.message,
    )


def whole(db: Connection, row: ScheduleRow, version: VersionRow) -> ScheduleVersion:
    """Return a version of a schedule with all that it says."""
    schedule = _read(version)
    return ScheduleVersion(
        **msgspec.structs.asdict(shown(db, row, version)),
        latest_version=version.latest_version,
        digest=version.digest,
        values=schedule.values,
        jitter=schedule.jitter,
        missed=schedule.missed,
        overlap=schedule.overlap,
        source=version.source,
    )


def _read(version: VersionRow) -> Schedule:
    unreadable = Schedule(name=version.name, template=CANNOT_BE_READ)
    return stored_json.read_or(version.document, Schedule, unreadable)


def _state(row: ScheduleRow, version: VersionRow) -> Literal["active", "paused", "failing"]:
    if row.is_paused:
        return "paused"
    is_of_this = row.last_at is not None and row.last_at >= version.pushed_at
    return "failing" if row.last_outcome == StartOutcome.REFUSED and is_of_this else "active"


def _last(row: ScheduleRow) -> LastStart | None:
    if row.last_at is None or row.last_outcome not in set(StartOutcome):
        return None
    return LastStart(
        outcome=StartOutcome(row.last_outcome),
        at=row.last_at,
        due_at=row.last_due_at,
        reason=row.last_reason,
        automation_id=row.last_automation_id,
        automation_state=known_state(row.last_state),
    )
