"""The secrets with which workers enrol: made, listed, revoked."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from opsicle.domain import stored_json
from opsicle.domain.access import Action
from opsicle.domain.errors import NotFound
from opsicle.kit.clock import Clock
from opsicle.security import join_token
from opsicle.server.access import validators
from opsicle.server.access.actor import Actor
from opsicle.server.access.open_offers import MAX_JOIN_TOKENS, check_open
from opsicle.server.identity.step_up import StepUp
from opsicle.server.public_urls import Urls
from opsicle.server.store import audit, join_tokens
from opsicle.server.store.database import Connection, Database
from opsicle.server.store.join_tokens import NewJoinTokenRow, OpenJoinTokenRow
from opsicle.server.workers.worker_facts import check_labels
from opsicle.wire.fleet_api import CreateJoinTokenRequest, NewJoinToken, OpenJoinToken
from opsicle.wire.pages import Page

MAX_USES = 100_000
_TTL_SECONDS = range(60, 86_400 + 1)
_TTL_SECONDS_OF_MANY = range(60, 90 * 86_400 + 1)


class JoinTokens:
    """Makes join tokens, and ends them."""

    def __init__(self, database: Database, urls: Urls, step_up: StepUp, clock: Clock) -> None:
        self._database = database
        self._urls = urls
        self._step_up = step_up
        self._clock = clock

    def create(self, actor: Actor, request: CreateJoinTokenRequest) -> NewJoinToken:
        """Make a secret with which a worker of the caller's org enrols, or as many as it says.

        It is shown only now.

        Only server operators make a token for a shared worker. One that grants labels wants a fresh
        code, since labels decide who is handed secrets; so does one for many workers.
        """
        actor.require(_action(request.is_shared))
        _check(request)
        if request.labels or request.uses > 1:
            self._step_up.require(actor)

        token = join_token.new(self._urls.url)
        now = self._clock.now()
        row = NewJoinTokenRow(
            id=token.token_id,
            org_id=actor.org_id,
            key=join_token.stored_key(token.secret),
            created_by=actor.user_id,
            created_at=now,
            expires_at=now + timedelta(seconds=request.ttl_seconds),
            is_shared=request.is_shared,
            labels=_as_json(request.labels) if request.labels is not None else None,
            max_uses=request.uses,
        )

        def work(db: Connection) -> None:
            found = join_tokens.open_until(db, actor.org_id, now)
            check_open(
                "join tokens", found, MAX_JOIN_TOKENS, now, "They end unused after their time."
            )
            join_tokens.insert(db, row)

            record, resource = None if row.is_shared else actor.org_id, f"join_tokens/{row.id}"
            audit.append(db, now, record, actor, "create", resource, _recorded(request))

        self._database.write(work)
        return NewJoinToken(token=token.text, id=row.id, expires_at=row.expires_at)

    def list_open(
        self, actor: Actor, _cursor: str, _limit: int, *, is_shared: bool = False
    ) -> Page[OpenJoinToken]:
        """Return the org's tokens that may still be used, the one that ends first at the top.

        There are so few that all of them are one page.
        """
        actor.require(_action(is_shared))
        now = self._clock.now()
        rows = self._database.read(
            lambda db: join_tokens.list_open(db, actor.org_id, is_shared, now)
        )
        return Page(items=[_shown(row) for row in rows])

    def revoke(self, actor: Actor, token_id: str, *, is_shared: bool = False) -> None:
        """Let nobody enrol any more by a token. Workers that have enrolled stay.

        Raises NotFound for one that could not be used anyway.
        """
        actor.require(_action(is_shared))
        now = self._clock.now()

        def work(db: Connection) -> None:
            if not join_tokens.revoke(db, actor.org_id, token_id, is_shared, now):
                raise NotFound(
                    f"there is no join token {token_id} that could still be used",
                    hint="`opsicle workers tokens` shows them.",
                )
            record = None if is_shared else actor.org_id
            audit.append(db, now, record, actor, "revoke", f"join_tokens/{token_id}")

        self._database.write(work)


def _check(request: CreateJoinTokenRequest) -> None:
    """Raise InvalidInput for a token that is not to be."""
    if not 1 <= request.uses <= MAX_USES:
        raise validators.invalid("uses", f"a join token is for 1 to {MAX_USES:,} workers")
    if request.uses > 1 and request.labels is None:
        raise validators.invalid(
            "labels", "a join token for many workers must say which labels they are granted"
        )

    allowed = _TTL_SECONDS if request.uses == 1 else _TTL_SECONDS_OF_MANY
    if request.ttl_seconds not in allowed:
        raise validators.invalid(
            "ttl_seconds",
            f"a join token for {'one worker' if request.uses == 1 else 'many workers'} lives from "
            f"{allowed[0]} to {allowed[-1]:,} seconds",
        )
    if request.labels is not None:
        check_labels(request.labels)


def _recorded(request: CreateJoinTokenRequest) -> dict[str, object]:
    data: dict[str, object] = {"ttl_seconds": request.ttl_seconds}
    if request.uses > 1:
        data["uses"] = request.uses
    if request.labels is not None:
        data["labels"] = request.labels
    return data


def _action(is_shared: bool) -> Action:
    return Action.SERVER_MANAGE if is_shared else Action.WORKERS_MANAGE


def _shown(row: OpenJoinTokenRow) -> OpenJoinToken:
    return OpenJoinToken(
        id=row.id,
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=row.expires_at,
        labels=stored_json.read_or(row.labels, dict[str, str], {}) if row.labels else None,
        max_uses=row.max_uses,
        uses=row.uses,
    )


def _as_json(labels: dict[str, str]) -> str:
    return msgspec.json.encode(labels, order="sorted").decode()
