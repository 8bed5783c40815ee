"""Schedules of an org: what people do with them; what starts by itself is in `starting.py`."""

from __future__ import annotations

from datetime import datetime

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, Problem
from opsicle.domain.schedules import (
    MOST_SCHEDULES,
    Schedule,
    StartOutcome,
    digest,
    next_due,
    start_of,
    times_after,
)
from opsicle.domain.template_parser import parse_schedule
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.access.document_lookup import document_not_found
from opsicle.server.access.template_access import is_hidden
from opsicle.server.automations.service import Automations
from opsicle.server.automations.starters import Starter, starting_problems
from opsicle.server.automations.starting_documents import StartingDocuments, with_principal
from opsicle.server.documents.versions import VersionDraft, delete, push_version
from opsicle.server.schedules.starting import STILL_RUNNING, request_of, schedule_as_pushed
from opsicle.server.schedules.views import shown, whole
from opsicle.server.store import schedules
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.server.store.schedules import ScheduleRow
from opsicle.wire.schedule_api import NextTimes, SchedulePushed, ScheduleSummary, ScheduleVersion
from opsicle.wire.starts import StarterKind
from opsicle.wire.user_api import Automation

_SCHEDULE = DocumentKind.SCHEDULE


class Schedules(StartingDocuments[ScheduleSummary, ScheduleVersion]):
    """Pushes, shows and pauses schedules, and runs them by hand.

    A schedule whose template is hidden from somebody does not exist for them.
    """

    kind = _SCHEDULE
    view, manage = Action.SCHEDULES_VIEW, Action.SCHEDULES_MANAGE

    def __init__(self, database: Database, automations: Automations, clock: Clock) -> None:
        super().__init__(database, clock)
        self._automations = automations

    def push(self, actor: Actor, source: str, message: str = "") -> SchedulePushed:
        """Make a new version of the schedule that the document names, or its first.

        It runs as whoever pushes it, or as a service account that they may use; who pushes what
        another has pushed takes it over. If the newest version says the same already, nothing
        changes and that version is the answer. Raises InvalidInput with every mistake in the
        document, NotAllowed for a template that the caller may not run, Conflict for one schedule
        too many.
        """
        actor.require(self.manage)
        document = self._reading.read(
            actor.org_id, lambda text: parse_schedule(text.encode()), source
        )
        now = self._clock.now()

        def work(db: Connection) -> SchedulePushed:
            schedule = with_principal(db, actor, document)
            warnings = _warnings(db, actor, schedule)
            draft = VersionDraft.of(
                _SCHEDULE, schedule.name, digest(schedule), source, schedule, message
            )
            recorded = {"template": schedule.template}
            version, is_new = push_version(db, actor, draft, now, recorded, MOST_SCHEDULES)
            if is_new:
                _plan_next(db, _row_of(db, actor, schedule.name), schedule, now)

            return SchedulePushed(
                name=schedule.name,
                version=version,
                digest=draft.digest,
                is_new=is_new,
                warnings=warnings,
                next_at=_row_of(db, actor, schedule.name).start_at,
            )

        return self._database.write(work)

    def delete(self, actor: Actor, name: str) -> None:
        """Take a schedule out of use; what it has started goes on. Raises NotFound."""
        actor.require(self.manage)
        now = self._clock.now()

        def work(db: Connection) -> None:
            schedules.plan(db, self._visible(db, actor, name).document_id, None, None)
            delete(db, actor, _SCHEDULE, name, now)

        self._database.write(work)

    def _pause(
        self, db: Connection, actor: Actor, found: VersionRow, is_paused: bool, now: datetime
    ) -> bool:
        """Pause or resume one, with the next time from now on; those between are not missed."""
        has_changed = schedules.pause(db, found.document_id, is_paused, now)
        if has_changed and is_paused:
            schedules.plan(db, found.document_id, None, None)
        elif has_changed:
            _plan_next(db, _row_of(db, actor, found.name), _read_schedule(found), now)
        return has_changed

    def next_times(self, actor: Actor, name: str, count: int) -> NextTimes:
        """Return the times to come, none for a schedule that is paused. Raises NotFound."""
        actor.require(Action.SCHEDULES_VIEW)

        def query(db: Connection) -> NextTimes:
            schedule = _read_schedule(self._visible(db, actor, name))
            row = _row_of(db, actor, name)
            if row.due_at is None:
                return NextTimes(next_times=[], time_zone=schedule.time_zone)
            following = times_after(schedule, row.created_at, row.due_at, count - 1)
            return NextTimes(next_times=[row.due_at, *following], time_zone=schedule.time_zone)

        return self._database.read(query)

    def run(self, actor: Actor, name: str, idempotency_key: str = "") -> Automation:
        """Run now what a schedule starts, whether it is paused or not; durable on return.

        It runs as the caller, with the caller's rights. Raises as `Automations.create`, and
        Conflict while the run before is not over and may not overlap.
        """
        actor.require(Action.AUTOMATIONS_CREATE)

        def query(db: Connection) -> tuple[ScheduleRow, Schedule]:
            if not actor.may(Action.SCHEDULES_VIEW):
                raise document_not_found(_SCHEDULE, name)
            self._visible(db, actor, name)
            row = _row_of(db, actor, name)
            schedule = schedule_as_pushed(db, row)
            assert schedule is not None
            return row, schedule

        row, schedule = self._database.read(query)
        now = self._clock.now()

        def claim(db: Connection, automation_id: str) -> None:
            if not schedule.overlap and schedules.has_unfinished(db, row.id):
                raise Conflict(
                    f"{STILL_RUNNING}, and this schedule lets none overlap",
                    hint=f"`opsicle schedules show {row.name}` says which one it is.",
                )
            schedules.note(db, row.id, now, StartOutcome.STARTED, "", automation_id)

        starter = Starter(StarterKind.SCHEDULE, row.id, row.name, claim)
        return self._automations.create(
            actor, request_of(schedule), idempotency_key, starter=starter
        )

    def _summary(self, db: Connection, actor: Actor, row: VersionRow) -> ScheduleSummary:
        return shown(db, _row_of(db, actor, row.name), row)

    def _whole(self, db: Connection, actor: Actor, row: VersionRow) -> ScheduleVersion:
        return whole(db, _row_of(db, actor, row.name), row)

    def _is_hidden(self, db: Connection, actor: Actor, row: VersionRow) -> bool:
        schedule = stored_json.read_or(row.document, Schedule, None)
        return is_hidden(db, actor, schedule.template if schedule else None)


def _read_schedule(row: VersionRow) -> Schedule:
    return stored_json.read(row.document, Schedule, f"the schedule {row.name}")


def _row_of(db: Connection, actor: Actor, name: str) -> ScheduleRow:
    row = schedules.find(db, actor.org_id, name)
    if row is None:
        raise document_not_found(_SCHEDULE, name)
    return row


def _plan_next(db: Connection, row: ScheduleRow, schedule: Schedule, now: datetime) -> None:
    """Set the first time that is neither past nor used up."""
    if row.is_paused:
        return
    after = max(now, row.done_until or now)
    due = next_due(schedule, row.created_at, after)
    start = start_of(schedule, row.id, row.created_at, due) if due else None
    schedules.plan(db, row.id, due, start)


def _warnings(db: Connection, actor: Actor, schedule: Schedule) -> list[Problem]:
    """Return why it could not start now. Raises InvalidInput for values that do not fit."""
    return starting_problems(
        db, actor.org_id, schedule.principal_id, "schedule", request_of(schedule)
    )
