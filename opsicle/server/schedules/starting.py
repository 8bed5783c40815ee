"""Starting what schedules say when its time has come.

A time is used up in the transaction that makes the automation: whatever dies in between, it starts
once, or is found due again. Nothing that lies before what is used up starts, even where the clock
is set back.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.errors import OpsicleError, Unavailable
from opsicle.domain.schedules import (
    MAKE_UP_FOR,
    ON_TIME,
    Missed,
    Schedule,
    StartOutcome,
    next_due,
    start_of,
)
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import SystemActor
from opsicle.server.access.member_actors import member_actor
from opsicle.server.automations.service import Automations
from opsicle.server.automations.starters import MOST_REASON_CHARACTERS, Starter
from opsicle.server.documents.record_of_pushes import require_as_pushed
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.store import audit, documents, schedules
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind
from opsicle.server.store.schedules import Consumption, ScheduleRow
from opsicle.wire.starts import StarterKind
from opsicle.wire.user_api import RunRequest

log = logging.getLogger(__name__)

MOST_AT_ONCE = 200
"""Schedules looked at in one turn; the others are due in the next one."""

LOOK_AGAIN_AFTER = timedelta(seconds=5)
"""Where the run before is not over, and the time is not to be skipped; and after an error."""

_UNREADABLE_AGAIN_AFTER = timedelta(seconds=60)
STILL_RUNNING = "the run before is not over"


class _TimeTaken(Exception):
    """Another turn has used up this time, or the schedule changed meanwhile."""


class _StillRunning(Exception):
    """What the schedule started before is not over."""


class _Due(msgspec.Struct, frozen=True):
    """A time of a schedule that has come."""

    row: ScheduleRow
    schedule: Schedule
    due_at: datetime
    is_late: bool
    now: datetime

    def used(
        self, outcome: StartOutcome, reason: str = "", automation_id: str | None = None
    ) -> Consumption:
        """Return what using it up changes.

        Save where each time counts, all times until now are used up with it.
        """
        schedule, anchor = self.schedule, self.row.created_at
        is_each = schedule.missed is Missed.ALL
        done_until = self.due_at if is_each else max(self.due_at, self.now)
        if is_each and outcome is StartOutcome.MISSED:
            done_until = self.now - MAKE_UP_FOR
        following = next_due(schedule, anchor, done_until)
        return Consumption(
            due_at=self.due_at,
            done_until=done_until,
            next_due_at=following,
            next_start_at=start_of(schedule, self.row.id, anchor, following) if following else None,
            at=self.now,
            outcome=outcome,
            reason=reason[:MOST_REASON_CHARACTERS],
            automation_id=automation_id,
        )


class ScheduleStarts:
    """What a turn of the server's loop does for schedules. Two turns at once do no harm."""

    def __init__(
        self, database: Database, automations: Automations, fleet: Fleet, clock: Clock
    ) -> None:
        self._database = database
        self._automations = automations
        self._fleet = fleet
        self._clock = clock

    def turn(self) -> None:
        """Start what is due; nothing while the queue is held, as after a restore."""
        if self._fleet.held:
            return
        now = self._clock.now()
        for row in self._database.read(lambda db: schedules.list_due(db, now, MOST_AT_ONCE)):
            try:
                self._start(row)
            except Unavailable:
                raise  # nothing can be written just now: all of it stays due
            except Exception:
                log.exception("a schedule could not be started", extra={"schedule": row.id})
                self._put_off(row, LOOK_AGAIN_AFTER)

    def _start(self, row: ScheduleRow) -> None:
        now = self._clock.now()
        try:
            schedule = self._database.read(lambda db: schedule_as_pushed(db, row))
        except OpsicleError as error:
            self._refuse_unread(row, error.message)
            return
        if schedule is None or row.due_at is None:
            return

        # Not by `start_at`, which is later where the time was put off.
        is_late = now - start_of(schedule, row.id, row.created_at, row.due_at) > ON_TIME
        due = _Due(row, schedule, row.due_at, is_late, now)
        if _is_missed(due):
            self._use_up(due, StartOutcome.MISSED, "the server was away, or held")
            return

        self._run_or_record(due)

    def _run_or_record(self, due: _Due) -> None:
        try:
            self._run(due)
        except _TimeTaken:
            return
        except _StillRunning:
            if due.schedule.missed is Missed.ALL:
                self._put_off(due.row, LOOK_AGAIN_AFTER)
            else:
                self._use_up(due, StartOutcome.SKIPPED, STILL_RUNNING)
        except Unavailable:
            raise
        except OpsicleError as error:
            self._use_up(due, StartOutcome.REFUSED, error.message)

    def _run(self, due: _Due) -> None:
        row, schedule = due.row, due.schedule
        actor = self._database.read(
            lambda db: member_actor(db, row.org_id, schedule.principal_id, "schedule")
        )

        def claim(db: Connection, automation_id: str) -> None:
            if not schedule.overlap and schedules.has_unfinished(db, row.id):
                raise _StillRunning
            if not schedules.consume(db, row, due.used(StartOutcome.STARTED, "", automation_id)):
                raise _TimeTaken

        starter = Starter(StarterKind.SCHEDULE, row.id, row.name, claim)
        self._automations.create(actor, request_of(schedule), starter=starter)

    def _use_up(self, due: _Due, outcome: StartOutcome, reason: str) -> None:
        """Use up a time without starting anything."""
        row, used = due.row, due.used(outcome, reason)

        def work(db: Connection) -> None:
            if schedules.consume(db, row, used) and outcome is not StartOutcome.SKIPPED:
                _record(db, row, outcome, used.reason, due.now)

        self._database.write(work)

    def _refuse_unread(self, row: ScheduleRow, reason: str) -> None:
        """Say that nobody knows what to start; the time stays due until somebody has seen to it."""
        now, explanation = self._clock.now(), reason[:MOST_REASON_CHARACTERS]

        def work(db: Connection) -> None:
            schedules.note(db, row.id, now, StartOutcome.REFUSED, explanation, None)
            schedules.put_off(db, row, now + _UNREADABLE_AGAIN_AFTER)
            _record(db, row, StartOutcome.REFUSED, explanation, now)

        self._database.write(work)

    def _put_off(self, row: ScheduleRow, by: timedelta) -> None:
        until = self._clock.now() + by
        self._database.write(lambda db: schedules.put_off(db, row, until))


def schedule_as_pushed(db: Connection, row: ScheduleRow) -> Schedule | None:
    """Return what a schedule says, None if it was deleted or pushed anew meanwhile.

    Raises Conflict if that is not what was pushed, Unreadable.
    """
    version = documents.find(db, DocumentKind.SCHEDULE, row.org_id, row.name)
    if version is None or (version.document_id, version.version) != (row.id, row.version):
        return None
    require_as_pushed(db, DocumentKind.SCHEDULE, row.org_id, version)
    return stored_json.read(version.document, Schedule, f"the schedule {row.name}")


def request_of(schedule: Schedule) -> RunRequest:
    """Return what a schedule asks for."""
    return RunRequest(template=schedule.template, values=dict(schedule.values))


def _is_missed(due: _Due) -> bool:
    """Return whether a time is over, so that nothing is started for it."""
    if not due.is_late:
        return False
    if due.schedule.missed is Missed.ALL:
        return due.now - due.due_at > MAKE_UP_FOR
    return due.schedule.missed is Missed.SKIP


def _record(
    db: Connection, row: ScheduleRow, outcome: StartOutcome, reason: str, now: datetime
) -> None:
    """Put what was not started into the record; what is refused again and again, once."""
    is_refused = outcome is StartOutcome.REFUSED
    if is_refused and (row.last_outcome, row.last_reason) == (outcome, reason):
        return
    verb = "refuse" if is_refused else "miss"
    data = {"due_at": row.due_at, "reason": reason}
    audit.append(db, now, row.org_id, SystemActor(), verb, f"schedules/{row.name}", data)
