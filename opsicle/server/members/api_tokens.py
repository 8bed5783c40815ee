"""API tokens: how programs come in.

Everybody makes and deletes their own, and those of their service accounts.

A token may have scopes. At each use it may what both its scopes and its holder's rights of that
moment allow.
"""

from __future__ import annotations

from datetime import timedelta

from opsicle.domain.access import Action
from opsicle.domain.errors import Conflict, NotAllowed, NotFound
from opsicle.domain.rules import parse_rules
from opsicle.kit.clock import Clock
from opsicle.kit.ids import new_id
from opsicle.security import api_tokens
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.rights import shown_rules, written_rules
from opsicle.server.http.paging import page_of
from opsicle.server.identity.sessions import Sessions
from opsicle.server.identity.step_up import StepUp
from opsicle.server.members.service_accounts import get_account
from opsicle.server.store import audit, memberships, tokens
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.tokens import TokenRow
from opsicle.wire.pages import Page
from opsicle.wire.user_api import ApiToken, CreateApiTokenRequest, NewApiToken

MAX_DAYS = 3650
MAX_PER_HOLDER = 200
MAX_NAME_LENGTH = 64
_SHOWN_CHARACTERS = len(api_tokens.API_PREFIX) + 4
"""Enough of a token to tell it from others, too little to be of use."""


class ApiTokens:
    """A person's API tokens, and those of their service accounts."""

    def __init__(
        self, database: Database, sessions: Sessions, step_up: StepUp, clock: Clock
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._step_up = step_up
        self._clock = clock

    def create(self, actor: Actor, request: CreateApiTokenRequest) -> NewApiToken:
        """Make a token; this is the only time that it is shown.

        Raises NotAllowed if a token asks, so that one which leaked cannot outlive its own end, or
        for a service account that is not the caller's to decide about; NotFound; InvalidInput;
        StepUpRequired.
        """
        actor.require(Action.ACCOUNT_USE)
        if actor.channel == "token":
            raise NotAllowed("an API token cannot make another", hint="Log in with your password.")

        is_proven = self._step_up.require(actor)
        now = self._clock.now()
        token, token_hash = api_tokens.new_api_token()
        days = _checked_days(request.expires_in_days)
        row = TokenRow(
            id=new_id(now),
            name=_checked_name(request.name),
            prefix=token[:_SHOWN_CHARACTERS],
            created_at=now,
            expires_at=now + timedelta(days=days) if days is not None else None,
            scopes=_checked_scopes(request.scopes),
            is_proven=is_proven,
        )

        def work(db: Connection) -> None:
            holder_id = _holder_id(db, actor, request.account)
            if tokens.count_of_member(db, actor.org_id, holder_id) >= MAX_PER_HOLDER:
                raise Conflict(
                    f"there are {MAX_PER_HOLDER} tokens of this account already",
                    hint="Delete those that nothing uses.",
                )

            tokens.insert(db, actor.org_id, holder_id, row, token_hash)
            data = {
                "name": row.name,
                "expires_in_days": days,
                "user": holder_id,
                "scopes": request.scopes,
            }
            audit.append(db, now, actor.org_id, actor, "create", f"tokens/{row.id}", data)

        self._database.write(work)
        return NewApiToken(token=token, details=_shown(row))

    def list_tokens(self, actor: Actor, account: str, cursor: str, limit: int) -> Page[ApiToken]:
        """Return the caller's own tokens, or those of one of their service accounts, newest first.

        Raises NotFound and NotAllowed as `create` does.
        """
        actor.require(Action.ACCOUNT_USE)

        def query(db: Connection) -> list[TokenRow]:
            holder_id = _holder_id(db, actor, account)
            return tokens.list_of_member(db, actor.org_id, holder_id, cursor, limit + 1)

        rows = self._database.read(query)
        return page_of(rows, limit, _shown, lambda row: row.id)

    def delete(self, actor: Actor, token_id: str) -> None:
        """End a token of the caller's, or of one of their service accounts.

        It is refused from the next request on.

        Raises NotFound, also for others' tokens.
        """
        actor.require(Action.ACCOUNT_USE)

        def work(db: Connection) -> None:
            holder_id = tokens.find_holder(db, actor.org_id, token_id)
            is_own = holder_id is not None and _is_own(db, actor, holder_id)
            if (
                holder_id is None
                or not is_own
                or not tokens.delete(db, actor.org_id, holder_id, token_id)
            ):
                raise NotFound(
                    f"you have no token {token_id}", hint="`opsicle tokens list` shows them."
                )
            audit.append(db, self._clock.now(), actor.org_id, actor, "delete", f"tokens/{token_id}")

        self._sessions.change(work)


def _holder_id(db: Connection, actor: Actor, account: str) -> str:
    return get_account(db, actor, account).user_id if account else actor.user_id


def _is_own(db: Connection, actor: Actor, holder_id: str) -> bool:
    if holder_id == actor.user_id:
        return True
    holder = memberships.find(db, actor.org_id, holder_id)
    if holder is None or holder.owner_id is None:
        return False
    try:
        get_account(db, actor, holder_id)
    except NotAllowed:
        return False
    return True


def _checked_scopes(scopes: list[str] | None) -> str | None:
    if scopes is None:
        return None
    if not scopes:
        raise validators.invalid(
            "scopes", "a token without any scope could do nothing", hint="As in `view templates`."
        )
    return written_rules(parse_rules((f"allow {scope}" for scope in scopes), "scopes"))


def _shown_scopes(scopes: str | None) -> list[str] | None:
    return None if scopes is None else [text.removeprefix("allow ") for text in shown_rules(scopes)]


def _checked_name(text: str) -> str:
    name = validators.name(text, MAX_NAME_LENGTH)
    if not name:
        raise validators.invalid("name", "a token needs a name", hint="Say what will use it.")
    return name


def _checked_days(days: int | None) -> int | None:
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise validators.invalid(
            "expires_in_days", f"a token lives from 1 to {MAX_DAYS} days, or for ever (null)"
        )
    return days


def _shown(row: TokenRow) -> ApiToken:
    return ApiToken(
        id=row.id,
        name=row.name,
        prefix=row.prefix,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        scopes=_shown_scopes(row.scopes),
    )
