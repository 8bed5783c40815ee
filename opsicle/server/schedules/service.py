"""Schedules of an org: what people do with them; what starts by itself is in `starting.py`."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import msgspec

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
from opsicle.server.access.document_lookup import document_not_found, get_document
from opsicle.server.access.template_access import is_hidden, require_on
from opsicle.server.automations.scope_of_starts import require_newest_in_scope
from opsicle.server.automations.service import Automations
from opsicle.server.automations.starters import Starter, starting_problems
from opsicle.server.documents.reading import DocumentReading
from opsicle.server.documents.versions import VersionDraft, add_version, delete, require_room
from opsicle.server.http.paging import page_of, position
from opsicle.server.members.run_as import run_as
from opsicle.server.schedules.starting import STILL_RUNNING, request_of, schedule_as_pushed
from opsicle.server.schedules.views import shown, whole
from opsicle.server.store import audit, documents, schedules
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.documents import DocumentKind, VersionRow
from opsicle.server.store.schedules import ScheduleRow
from opsicle.wire.pages import Page
from opsicle.wire.schedule_api import NextTimes, SchedulePushed, ScheduleSummary, ScheduleVersion
from opsicle.wire.starts import StarterKind
from opsicle.wire.user_api import Automation

_SCHEDULE = DocumentKind.SCHEDULE


class Schedules:
    """Pushes, shows and pauses schedules, and runs them by hand.

    A schedule whose template is hidden from somebody does not exist for them.
    """

    def __init__(self, database: Database, automations: Automations, clock: Clock) -> None:
        self._database = database
        self._automations = automations
        self._reading = DocumentReading(clock)
        self._clock = clock

    def push(self, actor: Actor, source: str) -> SchedulePushed:
        """Make a new version of the schedule that the document names, or its first.

        It runs as whoever pushes it, or as a service account that they may use; who pushes what
        another has pushed takes it over. If the newest version says the same already, nothing
        changes and that version is the answer. Raises InvalidInput with every mistake in the
        document, NotAllowed for a template that the caller may not run, Conflict for one schedule
        too many.
        """
        actor.require(Action.SCHEDULES_MANAGE)
        document = self._reading.read(
            actor.org_id, lambda text: parse_schedule(text.encode()), source
        )
        now = self._clock.now()

        def work(db: Connection) -> SchedulePushed:
            require_on(db, actor, Action.AUTOMATIONS_CREATE, document.template)
            require_newest_in_scope(db, actor, document.template)
            schedule = msgspec.structs.replace(
                document, principal_id=run_as(db, actor, document.run_as)
            )
            warnings = _warnings(db, actor, schedule)
            draft = VersionDraft(
                _SCHEDULE,
                schedule.name,
                digest(schedule),
                source,
                msgspec.json.encode(schedule).decode(),
            )

            newest = documents.find_newest(db, _SCHEDULE, actor.org_id, schedule.name)
            is_new = newest is None or not draft.is_same_as(newest)
            if is_new:
                if newest is None:
                    require_room(_SCHEDULE, schedules.count(db, actor.org_id), MOST_SCHEDULES)
                add_version(db, actor, draft, newest, now, {"template": schedule.template})
                _plan_next(db, _row_of(db, actor, schedule.name), schedule, now)

            row = _row_of(db, actor, schedule.name)
            return SchedulePushed(
                name=row.name,
                version=row.version,
                digest=draft.digest,
                is_new=is_new,
                next_at=row.start_at,
                warnings=warnings,
            )

        return self._database.write(work)

    def list_schedules(self, actor: Actor, cursor: str, limit: int) -> Page[ScheduleSummary]:
        """Return the org's schedules by name, each in its newest version."""
        actor.require(Action.SCHEDULES_VIEW)

        def query(db: Connection) -> Page[ScheduleSummary]:
            found = documents.list_by_name(db, _SCHEDULE, actor.org_id, cursor, limit + 1)
            rows = schedules.list_of(db, actor.org_id, [each.document_id for each in found])
            return page_of(
                found,
                limit,
                lambda each: shown(db, rows[each.document_id], each),
                lambda each: each.name,
                partial(_is_hidden, db, actor),
            )

        return self._database.read(query)

    def get(self, actor: Actor, name: str, version: int | None = None) -> ScheduleVersion:
        """Return one version of a schedule whole, the newest unless told. Raises NotFound."""
        actor.require(Action.SCHEDULES_VIEW)

        def query(db: Connection) -> ScheduleVersion:
            found = _visible(db, actor, name, version)
            return whole(db, _row_of(db, actor, name), found)

        return self._database.read(query)

    def list_versions(
        self, actor: Actor, name: str, cursor: str, limit: int
    ) -> Page[ScheduleSummary]:
        """Return a schedule's versions, newest first. Raises NotFound if there is no such one."""
        actor.require(Action.SCHEDULES_VIEW)
        before = position(cursor)

        def query(db: Connection) -> Page[ScheduleSummary]:
            _visible(db, actor, name)
            row = _row_of(db, actor, name)
            found = documents.list_versions(db, _SCHEDULE, actor.org_id, name, before, limit + 1)
            return page_of(
                found,
                limit,
                lambda each: shown(db, row, each),
                lambda each: str(each.version),
                partial(_is_hidden, db, actor),
            )

        return self._database.read(query)

    def delete(self, actor: Actor, name: str) -> None:
        """Take a schedule out of use; what it has started goes on. Raises NotFound."""
        actor.require(Action.SCHEDULES_MANAGE)
        now = self._clock.now()

        def work(db: Connection) -> None:
            _visible(db, actor, name)
            schedules.plan(db, _row_of(db, actor, name).id, None, None)
            delete(db, actor, _SCHEDULE, name, now)

        self._database.write(work)

    def pause(self, actor: Actor, name: str) -> ScheduleVersion:
        """Start nothing by itself until it is resumed. Twice is harmless. Raises NotFound."""
        actor.require(Action.SCHEDULES_MANAGE)
        now = self._clock.now()

        def work(db: Connection) -> ScheduleVersion:
            found = _visible(db, actor, name)
            row = _row_of(db, actor, name)
            if schedules.pause(db, row.id, True, now):
                schedules.plan(db, row.id, None, None)
                audit.append(db, now, actor.org_id, actor, "pause", f"schedules/{name}")
            return whole(db, _row_of(db, actor, name), found)

        return self._database.write(work)

    def resume(self, actor: Actor, name: str) -> ScheduleVersion:
        """Go on with the next time from now on; those in between are no missed ones.

        Twice is harmless. Raises NotFound.
        """
        actor.require(Action.SCHEDULES_MANAGE)
        now = self._clock.now()

        def work(db: Connection) -> ScheduleVersion:
            found = _visible(db, actor, name)
            row = _row_of(db, actor, name)
            if schedules.pause(db, row.id, False, now):
                _plan_next(db, _row_of(db, actor, name), _read_schedule(found), now)
                audit.append(db, now, actor.org_id, actor, "resume", f"schedules/{name}")
            return whole(db, _row_of(db, actor, name), found)

        return self._database.write(work)

    def next_times(self, actor: Actor, name: str, count: int) -> NextTimes:
        """Return the times to come, none for a schedule that is paused. Raises NotFound."""
        actor.require(Action.SCHEDULES_VIEW)

        def query(db: Connection) -> NextTimes:
            schedule = _read_schedule(_visible(db, actor, name))
            row = _row_of(db, actor, name)
            if row.due_at is None:
                return NextTimes(times=[], time_zone=schedule.time_zone)
            following = times_after(schedule, row.created_at, row.due_at, count - 1)
            return NextTimes(times=[row.due_at, *following], time_zone=schedule.time_zone)

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
            _visible(db, actor, name)
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


def _read_schedule(row: VersionRow) -> Schedule:
    return stored_json.read(row.document, Schedule, f"the schedule {row.name}")


def _is_hidden(db: Connection, actor: Actor, row: VersionRow) -> bool:
    schedule = stored_json.read_or(row.document, Schedule, None)
    return schedule is not None and is_hidden(db, actor, schedule.template)


def _visible(db: Connection, actor: Actor, name: str, version: int | None = None) -> VersionRow:
    """Return a version that the actor may see. Raises NotFound."""
    row = get_document(db, _SCHEDULE, actor.org_id, name, version)
    if _is_hidden(db, actor, row):
        raise document_not_found(_SCHEDULE, name, version)
    return row


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
