"""Accounts of programs."""

from __future__ import annotations

from opsicle.domain.access import Action
from opsicle.server.http.routing import Route
from opsicle.server.http.serving import serve
from opsicle.server.members.service_accounts import ServiceAccounts
from opsicle.wire.endpoints import service_accounts as endpoints


def routes(accounts: ServiceAccounts) -> list[Route]:
    """Return the routes of service accounts.

    `<user>` is an id or an address; they are shown and changed as users are.
    """
    use = Action.ACCOUNT_USE
    return [
        serve(endpoints.LIST_ACCOUNTS, accounts.list_accounts, Action.USERS_VIEW),
        serve(endpoints.CREATE, accounts.create, use),
        serve(endpoints.DELETE, accounts.delete, use),
    ]
