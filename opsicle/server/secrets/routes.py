"""The secrets of an org. Values go in and never come out."""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.server.http.routing import Route
from opsicle.server.http.serving import serve
from opsicle.server.secrets.service import Secrets
from opsicle.server.secrets.uses import SecretUsage
from opsicle.wire.endpoints import secrets as endpoints


def routes(secrets: Secrets, usage: SecretUsage) -> list[Route]:
    """Return the routes of secrets."""
    view, renew, manage = Action.SECRETS_VIEW, Action.SECRETS_UPDATE, Action.SECRETS_MANAGE
    return [
        serve(endpoints.LIST_SECRETS, secrets.list_secrets, view),
        serve(endpoints.CREATE, secrets.create, manage),
        serve(endpoints.SHOW, secrets.get, view),
        serve(endpoints.SHOW_USES, usage.find, view),
        serve(endpoints.UPDATE, secrets.update, renew),
        serve(endpoints.DELETE, secrets.delete, manage),
    ]
