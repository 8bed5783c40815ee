"""Step-up: what matters most asks for a fresh code, however old the session is.

    self._step_up.require(actor, Action.SECRETS_MANAGE)

raises NotAllowed unless the caller may do that, and StepUpRequired unless the session has shown a
code within `FRESH_FOR`. Whoever asked shows one at `POST /api/v1/step-up` and asks again. It binds
those who have an authenticator app; `require_code` binds everybody.
"""

from __future__ import annotations

from datetime import timedelta

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, NotAllowed, StepUpRequired
from opsicle.kit.clock import Clock
from opsicle.server.access.actor import Actor
from opsicle.server.identity.authenticators import Authenticators
from opsicle.server.store import audit, authenticators, memberships, sessions
from opsicle.server.store.database import Connection, Database
from opsicle.wire.identity_api import StepUpValidity as StepUpReply

FRESH_FOR = timedelta(minutes=5)

_WITHOUT_SESSION = {"schedule": "a schedule", "trigger": "a trigger"}
"""Who has no session to show a code in, by channel."""


class StepUp:
    """Takes fresh codes, and says whether there was one."""

    def __init__(self, database: Database, apps: Authenticators, clock: Clock) -> None:
        self._database = database
        self._apps = apps
        self._clock = clock

    def prove(self, actor: Actor, text: str) -> StepUpReply:
        """Show a code; the session then counts as proven for a while.

        Raises StepUpRequired if an API token asks, which is no proof of a person; else as
        `Authenticators.prove`.
        """
        actor.require(Action.ACCOUNT_USE)
        if not actor.session_id:
            raise _needed(actor)
        now = self._clock.now()

        def work(db: Connection) -> None:
            sessions.note_step_up(db, actor.session_id, now)
            audit.append(db, now, actor.org_id, actor, "step_up", f"sessions/{actor.session_id}")

        self._apps.prove(actor, text, work)
        return StepUpReply(now + FRESH_FOR)

    def require(self, actor: Actor, action: Action | None = None) -> bool:
        """Return whether the caller has shown a code of their app within `FRESH_FOR`.

        Raises NotAllowed if they may not do `action`, StepUpRequired if they have an app and have
        shown none. Somebody without an app may go on. A service account is refused what its owner
        would have to show a code for.
        """
        if action:
            actor.require(action)
        since = self._clock.now() - FRESH_FOR

        def query(db: Connection) -> tuple[bool, bool]:
            return _has_app(db, actor), sessions.was_proven_since(db, actor.session_id, since)

        has_app, is_fresh = self._database.read(query)
        if has_app and not is_fresh:
            raise _needed(actor)
        return has_app

    def require_code(self, actor: Actor, what: str) -> None:
        """Raise unless the caller has shown a code of their app within `FRESH_FOR`.

        `what` begins the message.

        This binds everybody: NotAllowed for an API token, and so for every service account;
        Conflict for somebody without an app; else StepUpRequired.
        """
        if not actor.session_id:
            raise NotAllowed(
                f"{what} needs a fresh code of an authenticator app, which "
                f"{_WITHOUT_SESSION.get(actor.channel, 'an API token')} cannot show",
                hint="A person has to do this, logged in.",
            )
        since = self._clock.now() - FRESH_FOR

        def query(db: Connection) -> tuple[bool, bool]:
            has_app = authenticators.is_confirmed(db, actor.user_id)
            return has_app, sessions.was_proven_since(db, actor.session_id, since)

        has_app, is_fresh = self._database.read(query)
        if not has_app:
            raise Conflict(
                f"{what} needs a fresh code of your authenticator app, and you have none",
                hint="Enrol one with `opsicle totp enrol` or on the page Profile, then ask again.",
            )
        if not is_fresh:
            raise _needed(actor)


def _has_app(db: Connection, actor: Actor) -> bool:
    member = memberships.find(db, actor.org_id, actor.user_id)
    owner_id = member.owner_id if member else None
    return any(
        authenticators.is_confirmed(db, user_id) for user_id in (actor.user_id, owner_id) if user_id
    )


def _needed(actor: Actor) -> StepUpRequired:
    hint = (
        "Show the app's code, then ask again."
        if actor.session_id
        else "An API token cannot; log in for this."
    )
    return StepUpRequired("this needs a fresh code of your authenticator app", hint=hint)
