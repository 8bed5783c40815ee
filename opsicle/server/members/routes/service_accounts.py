"""Accounts of programs."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import LISTING, list_reply
from opsicle.server.http.routing import Page, Reply, Request, Route
from opsicle.server.members.service_accounts import ServiceAccounts
from opsicle.wire.access_api import CreateServiceAccountRequest
from opsicle.wire.user_api import User


def routes(accounts: ServiceAccounts) -> list[Route]:
    """The routes of service accounts. `<user>` is an id or an address; they are shown and changed as users are."""
    use, every = Action.ACCOUNT_USE, "/api/v1/service-accounts"
    new = CreateServiceAccountRequest
    return [
        Route("GET", every, partial(list_accounts, accounts), Action.USERS_VIEW, query=LISTING, reply=Page[User]),
        Route("POST", every, partial(create, accounts), use, body=new, reply=User, status=201),
        Route("DELETE", f"{every}/<user>", partial(delete, accounts), use, status=204),
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
