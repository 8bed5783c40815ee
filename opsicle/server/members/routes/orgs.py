"""Orgs: one's own, founding them, switching between them, and what the server's operators see."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.identity.accounts import Accounts
from opsicle.server.identity.routes.accounts import entered
from opsicle.server.members.operator import ServerOperations
from opsicle.server.members.orgs import Orgs
from opsicle.wire import org_api as wire
from opsicle.wire.endpoints import orgs as endpoints


def routes(orgs: Orgs, accounts: Accounts, operations: ServerOperations) -> list[Route]:
    """Return the routes of orgs. `<org>` is a code, `<user>` an id or an e-mail address."""
    view, create_, manage = Action.ORGS_VIEW, Action.ORGS_CREATE, Action.ORGS_MANAGE
    return [
        serve(endpoints.LIST_ORGS, orgs.list_own, view),
        serve(endpoints.CREATE, orgs.create, create_),
        serve(endpoints.SHOW, orgs.get, view),
        serve(endpoints.UPDATE, orgs.update, manage),
        Route(endpoints.SWITCH, partial(switch, accounts), Action.ACCOUNT_USE),
        *_operator_routes(operations),
    ]


def _operator_routes(operations: ServerOperations) -> list[Route]:
    may = Action.SERVER_MANAGE
    return [
        serve(endpoints.INVITE_ADMIN, operations.invite_admin, may),
        serve(endpoints.LIST_SERVER_OPERATORS, operations.list_operators, may),
        serve(endpoints.ADD_SERVER_OPERATOR, operations.add_operator, may),
        serve(endpoints.REMOVE_SERVER_OPERATOR, operations.remove_operator, may),
        serve(endpoints.SHOW_SERVER, operations.server, may),
        serve(endpoints.RELEASE_QUEUE, operations.release, may),
    ]


def switch(accounts: Accounts, request: Request, org: str) -> Reply:
    """Begin a session in another of the caller's orgs.

    A browser gets a cookie, the command line a token.
    """
    reply = accounts.switch(request.actor, org, is_kept=request.body(wire.SwitchRequest).is_kept)
    is_browser = request.actor.channel == "browser"
    return entered(request, reply, is_browser=is_browser, is_known=True)
