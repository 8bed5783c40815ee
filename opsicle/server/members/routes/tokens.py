"""The caller's own API tokens."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.members.api_tokens import ApiTokens
from opsicle.wire.endpoints import tokens as endpoints


def routes(tokens: ApiTokens) -> list[Route]:
    """Return the routes of API tokens."""
    use = Action.ACCOUNT_USE
    return [
        Route(endpoints.LIST_TOKENS, partial(list_tokens, tokens), use),
        serve(endpoints.CREATE, tokens.create, use),
        serve(endpoints.DELETE, tokens.delete, use),
    ]


def list_tokens(tokens: ApiTokens, request: Request) -> Reply:
    """List the caller's API tokens, or those of their service account `account`, newest first."""
    account = request.query("account")
    return list_reply(
        request, lambda actor, cursor, limit: tokens.list_tokens(actor, account, cursor, limit)
    )
