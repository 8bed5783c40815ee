"""What somebody who has logged in does with that: who am I, another org, logging out."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import msgspec

from opsicle.domain.access import Action
from opsicle.domain.errors import InvalidInput, NotAllowed, NotAuthenticated, Problem
from opsicle.domain.schedule_parser import is_time_zone
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import rights_of
from opsicle.server.access.suspended import suspension_text
from opsicle.server.audit.remarks import ServerRemarks
from opsicle.server.fleet.fleet import Fleet
from opsicle.server.identity.me import me_of
from opsicle.server.identity.orgs import find_place
from opsicle.server.identity.sessions import Kind, Sessions
from opsicle.server.store import announcements, audit, orgs, sessions, users
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.users import DisplayRow
from opsicle.wire.announcement_api import Announcement
from opsicle.wire.display_api import Display
from opsicle.wire.user_api import LoginReply, Me, OrgRef, Person


class Accounts:
    """What an account is good for between its login and its logout."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        clock: Clock,
        remarks: ServerRemarks,
        fleet: Fleet,
    ) -> None:
        """Take what an account needs.

        `remarks`, and that the queue of the `fleet` is held, are shown to those who run the server.
        """
        self._database = database
        self._sessions = sessions
        self._clock = clock
        self._remarks = remarks
        self._fleet = fleet

    def logout(self, actor: Actor, browser_tokens: Iterable[str] = ()) -> None:
        """End the session that asks, and those that the same browser shows; again is harmless.

        An API token is not a session: it is deleted instead.
        """
        if not actor.session_id:
            raise InvalidInput(
                "an API token cannot log out", hint="Delete it with `opsicle tokens delete`."
            )

        actors = {actor.session_id: actor}
        for token in browser_tokens:
            with suppress(NotAuthenticated):  # a cookie may outlive its session
                other = self._sessions.authenticate(token, actor.address, "browser")
                actors[other.session_id] = other

        def work(db: Connection) -> None:
            for each in actors.values():
                if sessions.delete(db, each.session_id):
                    resource = f"sessions/{each.session_id}"
                    audit.append(db, self._clock.now(), each.org_id, each, "logout", resource)

        self._sessions.change(work)

    def whoami(self, actor: Actor) -> Me:
        """Return who asks, where, and what they may do there."""
        actor.require(Action.ACCOUNT_VIEW)
        org, display, suspended, told = self._database.read(
            lambda db: (
                orgs.find(db, actor.org_id),
                users.get_display(db, actor.user_id),
                suspension_text(db, actor.org_id),
                announcements.list_shown(db, actor.org_id, self._clock.now()),
            )
        )
        assert org is not None
        person = Person(actor.user_id, actor.email, actor.name)
        me = me_of(person, OrgRef(org.code, org.name), actor.role, actor.rights, suspended)
        if actor.may(Action.SERVER_MANAGE):
            held = f"The queue is {self._fleet.held}: nothing is handed to workers, in any org."
            me.remarks += [*([held] if self._fleet.held else []), *self._remarks.shown]
        me.display = msgspec.convert(display, Display, from_attributes=True)
        me.announcements = msgspec.convert(told, list[Announcement], from_attributes=True)
        return me

    def set_display(self, actor: Actor, request: Display) -> Display:
        """Choose how the pages are shown to the caller, in all their orgs.

        Raises InvalidInput for a time zone that there is not.
        """
        actor.require(Action.ACCOUNT_USE)
        if request.time_zone and not is_time_zone(request.time_zone):
            message = "is no time zone; one is Europe/Berlin"
            raise InvalidInput(
                "the time zone is unknown", problems=(Problem("time_zone", message),)
            )

        row = msgspec.convert(request, DisplayRow, from_attributes=True)
        self._database.write(lambda db: users.set_display(db, actor.user_id, row))
        return request

    def switch(self, actor: Actor, code: str, *, is_kept: bool) -> LoginReply:
        """Begin a session of the caller in another of their orgs.

        The one that asks ends, unless it `is_kept`.

        The new one lives no longer than the old one would have, and has shown no fresh code. Raises
        NotFound for an org that they are no member of, or disabled in; NotAllowed if an API token
        asks, which is one org's for good.
        """
        actor.require(Action.ACCOUNT_USE)
        if not actor.session_id:
            raise NotAllowed(
                "an API token is good for one org only", hint="Log in with your password."
            )
        return self._sessions.change(lambda db: self._switch(db, actor, code, is_kept))

    def _switch(self, db: Connection, actor: Actor, code: str, is_kept: bool) -> LoginReply:
        place = find_place(db, actor.user_id, code)
        ends_at = sessions.find_end(db, actor.session_id)
        if ends_at is None:
            raise NotAuthenticated("this login is no longer valid", hint="Log in again.")

        kind: Kind = "browser" if actor.channel == "browser" else "cli"
        token, session = self._sessions.begin(
            db, (place.org_id, actor.user_id), kind, actor.address, ends_at
        )
        audit.append(db, session.created_at, place.org_id, actor, "login", f"sessions/{session.id}")
        if not is_kept:
            sessions.delete(db, actor.session_id)
            audit.append(
                db,
                session.created_at,
                actor.org_id,
                actor,
                "logout",
                f"sessions/{actor.session_id}",
            )

        person = Person(actor.user_id, actor.email, actor.name)
        rights = rights_of(db, place.org_id, actor.user_id).with_server_actions(
            actor.rights.server_actions
        )
        suspended = suspension_text(db, place.org_id)
        me = me_of(person, OrgRef(place.org_code, place.org_name), place.role, rights, suspended)
        return LoginReply(me=me, token=token, expires_at=session.expires_at)
