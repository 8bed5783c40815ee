"""API tokens: how a person's programs come in. Everybody makes and deletes their own."""

from __future__ import annotations

from datetime import timedelta

from opsicle.domain.access import Action
from opsicle.domain.errors import NotAllowed, NotFound
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.pki import api_tokens
from opsicle.server.services import fields
from opsicle.server.services.actor import Actor
from opsicle.server.services.cursors import page_of
from opsicle.server.services.sessions import Sessions
from opsicle.server.services.step_up import StepUp
from opsicle.server.store import audit, tokens
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.tokens import TokenRow
from opsicle.wire.pages import Page
from opsicle.wire.user_api import ApiToken, CreateApiTokenRequest, NewApiToken

MAX_DAYS = 3650
MAX_NAME_LENGTH = 64
_SHOWN_CHARACTERS = len(api_tokens.API_PREFIX) + 4
"""Enough of a token to tell it from others, too little to be of use."""


class ApiTokens:
    """A person's own API tokens."""

    def __init__(self, database: Database, sessions: Sessions, step_up: StepUp, clock: Clock) -> None:
        self._database = database
        self._sessions = sessions
        self._step_up = step_up
        self._clock = clock

    def create(self, actor: Actor, request: CreateApiTokenRequest) -> NewApiToken:
        """Make a token; this is the only time that it is shown.

        Raises NotAllowed if a token asks, so that one which leaked cannot outlive its own end; StepUpRequired.
        """
        actor.require(Action.ACCOUNT_USE)
        if actor.channel == "token":
            raise NotAllowed("an API token cannot make another", hint="Log in with your password.")
        self._step_up.require(actor)
        now = self._clock.now()
        token, token_hash = api_tokens.new_api_token()
        days = _checked_days(request.expires_in_days)
        row = TokenRow(
            id=new_id(now),
            name=_checked_name(request.name),
            prefix=token[:_SHOWN_CHARACTERS],
            created_at=now,
            expires_at=now + timedelta(days=days) if days is not None else None,
        )

        def work(db: Connection) -> None:
            tokens.insert(db, actor.org_id, actor.user_id, row, token_hash)
            data = {"name": row.name, "expires_in_days": days}
            audit.append(db, now, actor.org_id, actor, "create", f"tokens/{row.id}", data)

        self._database.write(work)
        return NewApiToken(token=token, details=_shown(row))

    def list_tokens(self, actor: Actor, cursor: str, limit: int) -> Page[ApiToken]:
        """The caller's own tokens, newest first."""
        actor.require(Action.ACCOUNT_USE)
        rows = self._database.read(lambda db: tokens.list_of_member(db, actor.org_id, actor.user_id, cursor, limit + 1))
        return page_of(rows, limit, _shown, lambda row: row.id)

    def delete(self, actor: Actor, token_id: str) -> None:
        """End one of the caller's own tokens; it is refused from the next request on. Raises NotFound."""
        actor.require(Action.ACCOUNT_USE)

        def work(db: Connection) -> None:
            if not tokens.delete(db, actor.org_id, actor.user_id, token_id):
                raise NotFound(f"you have no token {token_id}", hint="`opsicle tokens list` shows them.")
            audit.append(db, self._clock.now(), actor.org_id, actor, "delete", f"tokens/{token_id}")

        self._database.write(work)
        self._sessions.forget()


def _checked_name(text: str) -> str:
    name = fields.name(text, MAX_NAME_LENGTH)
    if not name:
        raise fields.invalid("name", "a token needs a name", hint="Say what will use it.")
    return name


def _checked_days(days: int | None) -> int | None:
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise fields.invalid("expires_in_days", f"a token lives from 1 to {MAX_DAYS} days, or for ever (null)")
    return days


def _shown(row: TokenRow) -> ApiToken:
    return ApiToken(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
    )
