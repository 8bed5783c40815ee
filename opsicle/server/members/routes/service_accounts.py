"""Accounts of programs."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.members.service_accounts import ServiceAccounts
from opsicle.wire.access_api import CreateServiceAccountRequest
from opsicle.wire.endpoints import service_accounts as endpoints


def routes(accounts: ServiceAccounts) -> list[Route]:
    """Return the routes of service accounts.

    `<user>` is an id or an address; they are shown and changed as users are.
    """
    use = Action.ACCOUNT_USE
    return [
        Route(endpoints.LIST_ACCOUNTS, partial(list_accounts, accounts), Action.USERS_VIEW),
        Route(endpoints.CREATE, partial(create, accounts), use),
        Route(endpoints.DELETE, partial(delete, accounts), use),
    ]


def list_accounts(accounts: ServiceAccounts, request: Request) -> Reply:
    """List the org's service accounts by address."""
    return list_reply(request, accounts.list_accounts)


def create(accounts: ServiceAccounts, request: Request) -> Reply:
    """Make a service account, owned by the caller unless told."""
    return Reply(201, accounts.create(request.actor, request.body(CreateServiceAccountRequest)))


def delete(accounts: ServiceAccounts, request: Request, user: str) -> Reply:
    """Remove a service account with its tokens."""
    accounts.delete(request.actor, user)
    return Reply(204)
