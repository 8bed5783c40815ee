"""The secrets of an org. Values go in and never come out."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.secrets.service import Secrets
from opsicle.wire.endpoints import secrets as endpoints
from opsicle.wire.secret_api import CreateSecretRequest, UpdateSecretRequest


def routes(secrets: Secrets) -> list[Route]:
    """Return the routes of secrets."""
    view, renew, manage = Action.SECRETS_VIEW, Action.SECRETS_UPDATE, Action.SECRETS_MANAGE
    return [
        Route(endpoints.LIST_SECRETS, partial(list_secrets, secrets), view),
        Route(endpoints.CREATE, partial(create, secrets), manage),
        Route(endpoints.SHOW, partial(show, secrets), view),
        Route(endpoints.UPDATE, partial(update, secrets), renew),
        Route(endpoints.DELETE, partial(delete, secrets), manage),
    ]


def list_secrets(secrets: Secrets, request: Request) -> Reply:
    """List the org's secrets by name, without their values."""
    return list_reply(request, secrets.list_secrets)


def create(secrets: Secrets, request: Request) -> Reply:
    """Keep a new secret; its value is never shown again."""
    return Reply(201, secrets.create(request.actor, request.body(CreateSecretRequest)))


def show(secrets: Secrets, request: Request, secret: str) -> Reply:
    """Show what is known of a secret, but not its value."""
    return Reply(200, secrets.get(request.actor, secret))


def update(secrets: Secrets, request: Request, secret: str) -> Reply:
    """Give a secret its next value."""
    return Reply(200, secrets.update(request.actor, secret, request.body(UpdateSecretRequest)))


def delete(secrets: Secrets, request: Request, secret: str) -> Reply:
    """Remove a secret."""
    secrets.delete(request.actor, secret)
    return Reply(204)
