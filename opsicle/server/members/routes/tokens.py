"""The caller's own API tokens."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.members.api_tokens import ApiTokens
from opsicle.wire.endpoints import tokens as endpoints
from opsicle.wire.user_api import CreateApiTokenRequest


def routes(tokens: ApiTokens) -> list[Route]:
    """Return the routes of API tokens."""
    use = Action.ACCOUNT_USE
    return [
        Route(endpoints.LIST_TOKENS, partial(list_tokens, tokens), use),
        Route(endpoints.CREATE, partial(create, tokens), use),
        Route(endpoints.DELETE, partial(delete, tokens), use),
    ]


def list_tokens(tokens: ApiTokens, request: Request) -> Reply:
    """List the caller's API tokens, or those of their service account `account`, newest first."""
    account = request.query("account")
    return list_reply(
        request, lambda actor, cursor, limit: tokens.list_tokens(actor, account, cursor, limit)
    )


def create(tokens: ApiTokens, request: Request) -> Reply:
    """Make an API token; the answer is the only place where it is shown."""
    return Reply(201, tokens.create(request.actor, request.body(CreateApiTokenRequest)))


def delete(tokens: ApiTokens, request: Request, token_id: str) -> Reply:
    """End an API token of the caller's, or of one of their service accounts."""
    tokens.delete(request.actor, token_id)
    return Reply(204)
