"""Whose token this is: login sessions of browsers and command lines, and API tokens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Literal, TypeVar

import msgspec

from opsicle.domain.access import Action, server_actions
from opsicle.domain.errors import Conflict, NotAuthenticated, NotFound, Unavailable
from opsicle.domain.rights import Rights
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.security import api_tokens
from opsicle.server.access.actor import Actor
from opsicle.server.access.cache import Cache
from opsicle.server.access.rights import rights_of, rotated_secrets, scope_grants
from opsicle.server.http.paging import page_of
from opsicle.server.store import audit, org_removals, sessions, tokens
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.sessions import BearerRow, OwnSessionRow, SessionRow
from opsicle.wire.identity_api import Session
from opsicle.wire.pages import Page

T = TypeVar("T")
Kind = Literal["browser", "cli"]

LIFETIME = {"browser": timedelta(hours=12), "cli": timedelta(days=30)}
"""A session ends this long after its login, whatever happens."""

IDLE = {"browser": timedelta(hours=2), "cli": timedelta(days=7)}
"""It ends earlier when it was not used for so long. API tokens have only the end they were made
with."""

NOTE_USE_EVERY = timedelta(minutes=1)


class _Bearer(msgspec.Struct):
    """Who holds a token, what they may do, and when it was used last."""

    row: BearerRow
    rights: Rights
    last_used_at: datetime | None
    noted_at: datetime | None
    rotates: frozenset[str] = frozenset()
    actor: Actor | None = None

    def actor_at(self, address: str) -> Actor:
        """Return who holds the token, coming from an address.

        Made once for as long as that is the same.
        """
        if self.actor is None or self.actor.address != address:
            row = self.row
            self.actor = Actor(
                user_id=row.user_id,
                email=row.email,
                name=row.name,
                org_id=row.org_id,
                org_code=row.org_code,
                role=row.role,
                channel=row.kind,
                address=address,
                session_id="" if row.kind == "token" else row.id,
                rights=self.rights,
                rotates=self.rotates,
                is_suspended=row.is_suspended,
            )
        return self.actor

    def is_over(self, now: datetime) -> bool:
        row = self.row
        is_idle = (
            row.kind in IDLE
            and self.last_used_at is not None
            and now > idle_end(row.kind, self.last_used_at)
        )
        return is_idle or (row.expires_at is not None and now >= row.expires_at)


def idle_end(kind: str, last_used_at: datetime) -> datetime:
    """Return until when a session of this kind may stay unused."""
    return last_used_at + IDLE[kind]


MAX_PER_USER = 100
"""Whoever begins one more ends the one that they have used least recently."""


class Sessions:
    """Begins and ends sessions, and says for every request whose it is."""

    def __init__(self, database: Database, clock: Clock, *, has_open_orgs: bool = False) -> None:
        """Open the sessions. `has_open_orgs`: whoever is logged in may found an org."""
        self._database = database
        self._clock = clock
        self._has_open_orgs = has_open_orgs
        self._cache: Cache[str, _Bearer] = Cache()

    def authenticate(self, token: str, address: str, channel: str) -> Actor:
        """Say who shows this token.

        As a cookie where `channel` is `browser`, else as a bearer token.

        Raises NotAuthenticated for a token that is unknown, revoked, expired or came the wrong way,
        and for one of somebody who has been disabled.
        """
        bearer = self._bearer(token)
        now = self._clock.now()
        if (
            bearer is None
            or bearer.is_over(now)
            or (channel == "browser") != (bearer.row.kind == "browser")
        ):
            raise NotAuthenticated("this login or token is no longer valid", hint="Log in again.")
        self._note_use(bearer, now)
        return bearer.actor_at(address)

    def open_orgs(self, is_open: bool) -> None:
        """Let everybody who is logged in found orgs from now on, or server operators alone."""
        self._has_open_orgs = is_open
        self.invalidate()

    def server_actions(self, is_server_operator: bool) -> frozenset[Action]:
        """Return what somebody may do on this server, whatever they are in an org."""
        return server_actions(
            is_server_operator=is_server_operator, has_open_orgs=self._has_open_orgs
        )

    def is_good(self, token: str, rights: Rights) -> bool:
        """Return whether a token that was taken earlier still would be, with the rights of then.

        Asking is no use of it, and keeps no session alive.
        """
        bearer = self._bearer(token)
        return (
            bearer is not None and not bearer.is_over(self._clock.now()) and bearer.rights == rights
        )

    def _bearer(self, token: str) -> _Bearer | None:
        token_hash = api_tokens.token_hash(token)
        return self._cache.get(token_hash, lambda: self._find(token, token_hash))

    def _find(self, token: str, token_hash: str) -> _Bearer | None:
        api_tokens.check_format(token)
        store = sessions if token.startswith(api_tokens.SESSION_PREFIX) else tokens

        def query(db: Connection) -> _Bearer | None:
            row = store.find_bearer(db, token_hash)
            if row is None:
                return None

            rights = rights_of(db, row.org_id, row.user_id).with_server_actions(
                self.server_actions(row.is_server_operator)
            )
            if row.scopes is not None:
                rights = rights.below(scope_grants(row.scopes))
            rotates = (
                rotated_secrets(row.scopes) if row.scopes and row.is_proven else frozenset[str]()
            )
            return _Bearer(row, rights, row.last_used_at, row.last_used_at, rotates)

        return self._database.read(query)

    def _note_use(self, bearer: _Bearer, now: datetime) -> None:
        """Keep when a token was used last.

        On disk only once a minute, as a write for every request costs too much.
        """
        bearer.last_used_at = now
        if bearer.noted_at is not None and now - bearer.noted_at < NOTE_USE_EVERY:
            return
        bearer.noted_at = now
        row = bearer.row
        store = tokens if row.kind == "token" else sessions
        with suppress(Unavailable):  # reading goes on when the disk is full
            self._database.write(lambda db: store.touch(db, row.id, now))

    def begin(
        self,
        db: Connection,
        place: tuple[str, str],
        kind: Kind,
        address: str,
        ends_at: datetime | None = None,
    ) -> tuple[str, SessionRow]:
        """Begin a session of the org and user in `place`, as part of a transaction.

        Returns its token too. Raises Conflict for an org that is just being removed.

        `ends_at`: when it ends at the latest, if its life is not to begin anew.
        """
        now = self._clock.now()
        token, token_hash = api_tokens.new_session_token()
        org_id, user_id = place
        if org_removals.find(db, org_id):
            raise Conflict("this org is being removed", hint="Log in to another one.")
        row = SessionRow(
            id=new_id(now),
            org_id=org_id,
            user_id=user_id,
            kind=kind,
            token_hash=token_hash,
            address=address,
            created_at=now,
            expires_at=ends_at or now + LIFETIME[kind],
        )
        sessions.delete_expired(db, now)
        sessions.insert(db, row)
        if sessions.delete_beyond(db, user_id, MAX_PER_USER):
            self.invalidate()
        return token, row

    def change(self, work: Callable[[Connection], T]) -> T:
        """Run a unit of work that changes people, rights, sessions or tokens, for all at once."""
        result = self._database.write(work)
        self.invalidate()
        return result

    def invalidate(self) -> None:
        """Read anew who holds which token.

        To be called after every change to people, rights, sessions and tokens.
        """
        self._cache.invalidate()

    def list_own(self, actor: Actor, cursor: str, limit: int) -> Page[Session]:
        """Return the caller's own sessions, in all their orgs, newest first."""
        actor.require(Action.ACCOUNT_USE)
        now = self._clock.now()
        used_since = (now - IDLE["browser"], now - IDLE["cli"])
        rows = self._database.read(
            lambda db: sessions.list_of_user(
                db, actor.user_id, used_since, now, (cursor, limit + 1)
            )
        )
        return page_of(rows, limit, lambda row: _shown(row, actor.session_id), lambda row: row.id)

    def revoke(self, actor: Actor, session_id: str) -> None:
        """End one of the caller's own sessions at once. Raises NotFound."""
        actor.require(Action.ACCOUNT_USE)

        def work(db: Connection) -> None:
            if not sessions.delete_own(db, actor.user_id, session_id):
                raise NotFound(
                    f"you have no session {session_id}", hint="`opsicle sessions list` shows them."
                )
            audit.append(
                db, self._clock.now(), actor.org_id, actor, "revoke", f"sessions/{session_id}"
            )

        self.change(work)


def _shown(row: OwnSessionRow, current_id: str) -> Session:
    return Session(
        id=row.id,
        kind=row.kind,
        org=row.org_code,
        address=row.address,
        is_current=row.id == current_id,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        idle_expires_at=min(idle_end(row.kind, row.last_used_at), row.expires_at),
        expires_at=row.expires_at,
    )
