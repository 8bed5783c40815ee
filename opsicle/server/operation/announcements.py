"""What those who run the server tell its people: all of them, or those of one org.

People get what is announced with who they are (`identity/accounts.py`), so that it costs no request
of its own. It stands in the server's record, and if it is for one org, in that org's.
"""

from __future__ import annotations

from datetime import timedelta

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, NotFound, required
from opsicle.domain.visible_text import visible
from opsicle.kit.clock import Clock, to_text
from opsicle.kit.ids import new_id
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.http.paging import page_of
from opsicle.server.identity.orgs import no_org
from opsicle.server.identity.step_up import StepUp
from opsicle.server.store import announcements, audit, org_removals, orgs
from opsicle.server.store.announcements import AnnouncementRow
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.orgs import OrgRow
from opsicle.wire.announcement_api import CreateAnnouncementRequest, PostedAnnouncement
from opsicle.wire.pages import Page

MOST_OPEN = 50
"""That have not ended: every answer to who one is holds those of one's org."""

KEPT_FOR = timedelta(days=30)


class Announcements:
    """Announces, and takes back. What has ended is kept for `KEPT_FOR`."""

    def __init__(self, database: Database, step_up: StepUp, clock: Clock) -> None:
        self._database = database
        self._step_up = step_up
        self._clock = clock

    def list_all(self, actor: Actor, cursor: str, limit: int) -> Page[PostedAnnouncement]:
        """Return announcements to all orgs and to single ones, the oldest first."""
        actor.require(Action.SERVER_MANAGE)
        rows = self._database.read(lambda db: announcements.list_all(db, cursor, limit + 1))
        return page_of(rows, limit, _shown, lambda row: row.id)

    def create(self, actor: Actor, request: CreateAnnouncementRequest) -> PostedAnnouncement:
        """Announce something, and forget what ended long ago.

        Raises InvalidInput for a text that is not one line of what can be seen, and for an end that
        is past or before the beginning; NotFound for the org; Conflict if it is being removed, or
        if too much is announced; StepUpRequired.
        """
        self._step_up.require(actor, Action.SERVER_MANAGE)
        now, text = self._clock.now(), request.text.strip()
        if not text or visible(text) != text:
            raise validators.invalid("text", "must be one line, with no hidden characters in it")
        starts_at = request.starts_at or now
        if request.ends_at and request.ends_at <= max(now, starts_at):
            raise validators.invalid("ends_at", "must be in the future, and after the beginning")

        def work(db: Connection) -> AnnouncementRow:
            org = _remaining_org(db, request.org) if request.org else None
            announcements.delete_ended(db, now - KEPT_FOR)
            if announcements.count_open(db, now) >= MOST_OPEN:
                raise Conflict(
                    f"{MOST_OPEN} announcements have not ended", hint="Delete one of them first."
                )

            row = AnnouncementRow(
                id=new_id(now),
                org_id=org.id if org else None,
                org_code=org.code if org else None,
                severity=request.severity,
                text=text,
                starts_at=starts_at,
                ends_at=request.ends_at,
                created_by=actor.email,
                created_at=now,
            )
            announcements.insert(db, row)
            self._record(db, actor, "create", row)
            return row

        return _shown(self._database.write(work))

    def delete(self, actor: Actor, announcement_id: str) -> None:
        """Take an announcement back. Raises NotFound or StepUpRequired."""
        self._step_up.require(actor, Action.SERVER_MANAGE)

        def work(db: Connection) -> None:
            row = announcements.find(db, announcement_id)
            if row is None or not announcements.delete(db, announcement_id):
                raise NotFound(
                    f"there is no announcement {announcement_id}",
                    hint="`opsicle announcements list` shows them.",
                )
            self._record(db, actor, "delete", row)

        self._database.write(work)

    def _record(self, db: Connection, actor: Actor, verb: str, row: AnnouncementRow) -> None:
        data = {
            "severity": row.severity,
            "text": row.text,
            "org": row.org_code or "",
            "starts_at": to_text(row.starts_at),
            "ends_at": to_text(row.ends_at) if row.ends_at else None,
        }
        resource = f"announcements/{row.id}"
        for org_id in dict.fromkeys((row.org_id, None)):
            audit.append(db, self._clock.now(), org_id, actor, verb, resource, data)


def _shown(row: AnnouncementRow) -> PostedAnnouncement:
    return PostedAnnouncement(
        id=row.id,
        severity=row.severity,
        text=row.text,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        org=row.org_code or "",
        created_by=row.created_by,
        created_at=row.created_at,
    )


def _remaining_org(db: Connection, code: str) -> OrgRow:
    org = required(orgs.find_by_code(db, code), no_org(code))
    if org_removals.find(db, org.id):
        raise Conflict(f"the org {org.code} is being removed")
    return org
