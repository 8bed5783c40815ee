"""The caller's own API tokens."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.api.http import Page, Reply, Request, Route
from opsicle.server.api.lists import LISTING, list_reply
from opsicle.server.services.api_tokens import ApiTokens
from opsicle.wire.user_api import ApiToken, CreateApiTokenRequest, NewApiToken


def routes(tokens: ApiTokens) -> list[Route]:
    """The routes of API tokens."""
    use, every = Action.ACCOUNT_USE, "/api/v1/tokens"
    return [
        Route("GET", every, partial(list_tokens, tokens), use, query=LISTING, reply=Page[ApiToken]),
        Route("POST", every, partial(create, tokens), use, body=CreateApiTokenRequest, reply=NewApiToken, status=201),
        Route("DELETE", f"{every}/<token_id>", partial(delete, tokens), use, status=204),
    ]


def list_tokens(tokens: ApiTokens, request: Request) -> Reply:
    """List the caller's own API tokens, newest first."""
    return list_reply(request, tokens.list_tokens)


def create(tokens: ApiTokens, request: Request) -> Reply:
    """Make an API token; the answer is the only place where it is shown."""
    return Reply(201, tokens.create(request.actor, request.body(CreateApiTokenRequest)))


def delete(tokens: ApiTokens, request: Request, token_id: str) -> Reply:
    """End one of the caller's own API tokens."""
    tokens.delete(request.actor, token_id)
    return Reply(204)
