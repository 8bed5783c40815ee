"""What an admin does for somebody who cannot get in, or should not be in any longer."""

from __future__ import annotations

from datetime import timedelta

from opsicle.domain.access import Action
from opsicle.domain.errors import NotFound
from opsicle.kit.clock import Clock
from opsicle.security import api_tokens
from opsicle.server.access.actor import Actor
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.server.members.guards import (
    check_is_orgs_alone,
    get_member,
    require_command_of,
    require_way_into,
)
from opsicle.server.public_urls import Urls
from opsicle.server.store import audit, authenticators, password_resets, sessions
from opsicle.server.store.database import Connection, Database
from opsicle.wire.identity_api import NewResetLink

RESET_LIFETIME = timedelta(hours=24)


class Recovery:
    """Links for a new password, lost authenticator apps, sessions of others."""

    def __init__(
        self, database: Database, sessions: Sessions, step_up: StepUp, urls: Urls, clock: Clock
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._step_up = step_up
        self._urls = urls
        self._clock = clock

    def make_reset_link(self, actor: Actor, id_or_email: str) -> NewResetLink:
        """Make the one-time link with which a person sets a new password.

        An earlier one is good no longer.

        Raises NotFound; Conflict if the account is not the org's alone; StepUpRequired.
        """
        self._step_up.require(actor, Action.USERS_MANAGE)
        now = self._clock.now()
        token, token_hash = api_tokens.new_reset_token()

        def work(db: Connection) -> None:
            member = get_member(db, actor.org_id, id_or_email)
            require_command_of(db, actor, member)
            require_way_into(db, actor, member)
            check_is_orgs_alone(db, actor, member)
            password_resets.put(db, actor.org_id, member.user_id, token_hash, now + RESET_LIFETIME)
            audit.append(db, now, actor.org_id, actor, "make_reset_link", f"users/{member.user_id}")

        self._database.write(work)
        return NewResetLink(
            url=f"{self._urls.url}/reset#token={token}", expires_at=now + RESET_LIFETIME
        )

    def reset_totp(self, actor: Actor, id_or_email: str) -> None:
        """Take away the app that a person has lost.

        They log in with their password and can enrol another.

        Raises NotFound, also where they have none; Conflict if the account is not the org's alone;
        StepUpRequired.
        """
        self._step_up.require(actor, Action.USERS_MANAGE)

        def work(db: Connection) -> None:
            member = get_member(db, actor.org_id, id_or_email)
            require_command_of(db, actor, member)
            require_way_into(db, actor, member)
            check_is_orgs_alone(db, actor, member)
            if not authenticators.delete(db, member.user_id):
                raise NotFound(f"{member.email} has no authenticator app")
            audit.append(
                db, self._clock.now(), actor.org_id, actor, "reset_totp", f"users/{member.user_id}"
            )

        self._database.write(work)

    def end_sessions(self, actor: Actor, id_or_email: str) -> None:
        """Log a person out of the org everywhere; their API tokens stay.

        Raises NotFound or StepUpRequired.
        """
        self._step_up.require(actor, Action.USERS_MANAGE)

        def work(db: Connection) -> None:
            member = get_member(db, actor.org_id, id_or_email)
            require_command_of(db, actor, member)
            sessions.delete_of_member(db, actor.org_id, member.user_id)
            audit.append(
                db,
                self._clock.now(),
                actor.org_id,
                actor,
                "end_sessions",
                f"users/{member.user_id}",
            )

        self._sessions.change(work)
