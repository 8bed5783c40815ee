"""Orgs: one's own, founding them, switching between them, and what the server's operators see."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
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
        Route(endpoints.LIST_ORGS, partial(list_orgs, orgs), view),
        Route(endpoints.CREATE, partial(create, orgs), create_),
        Route(endpoints.SHOW, partial(show, orgs), view),
        Route(endpoints.UPDATE, partial(update, orgs), manage),
        Route(endpoints.SWITCH, partial(switch, accounts), Action.ACCOUNT_USE),
        *_operator_routes(operations),
    ]


def _operator_routes(operations: ServerOperations) -> list[Route]:
    may = Action.SERVER_MANAGE
    return [
        Route(endpoints.LIST_ALL, partial(list_all, operations), may),
        Route(endpoints.INVITE_ADMIN, partial(invite_admin, operations), may),
        Route(endpoints.LIST_SERVER_OPERATORS, partial(list_server_operators, operations), may),
        Route(endpoints.ADD_SERVER_OPERATOR, partial(add_server_operator, operations), may),
        Route(endpoints.REMOVE_SERVER_OPERATOR, partial(remove_server_operator, operations), may),
        Route(endpoints.SHOW_SERVER, partial(show_server, operations), may),
        Route(endpoints.RELEASE_QUEUE, partial(release_queue, operations), may),
    ]


def list_orgs(orgs: Orgs, request: Request) -> Reply:
    """List the orgs that the caller belongs to."""
    return list_reply(request, orgs.list_own)


def create(orgs: Orgs, request: Request) -> Reply:
    """Found an org: for server operators, or for everybody where the server has open orgs."""
    return Reply(201, orgs.create(request.actor, request.body(wire.CreateOrgRequest)))


def show(orgs: Orgs, request: Request, org: str) -> Reply:
    """Show one of the caller's orgs."""
    return Reply(200, orgs.get(request.actor, org))


def update(orgs: Orgs, request: Request, org: str) -> Reply:
    """Change the org that the caller's session is for."""
    return Reply(200, orgs.update(request.actor, org, request.body(wire.UpdateOrgRequest)))


def switch(accounts: Accounts, request: Request, org: str) -> Reply:
    """Begin a session in another of the caller's orgs.

    A browser gets a cookie, the command line a token.
    """
    reply = accounts.switch(request.actor, org, is_kept=request.body(wire.SwitchRequest).is_kept)
    return entered(request, reply, is_browser=request.actor.channel == "browser")


def list_all(operations: ServerOperations, request: Request) -> Reply:
    """List all orgs of the server, for those who run it."""
    return list_reply(request, operations.list_orgs)


def invite_admin(operations: ServerOperations, request: Request, org: str) -> Reply:
    """Make the one-time link for the admin of an org that has none."""
    return Reply(
        201, operations.invite_admin(request.actor, org, request.body(wire.InviteAdminRequest))
    )


def list_server_operators(operations: ServerOperations, request: Request) -> Reply:
    """List who runs the server."""
    return list_reply(request, operations.list_operators)


def add_server_operator(operations: ServerOperations, request: Request) -> Reply:
    """Let the owner of an account run the server too."""
    return Reply(
        200, operations.add_operator(request.actor, request.body(wire.NameServerOperatorRequest))
    )


def show_server(operations: ServerOperations, request: Request) -> Reply:
    """Show how the server as a whole is.

    Its epoch, whether its queue is held, what is not as it should be.
    """
    return Reply(200, operations.server(request.actor))


def release_queue(operations: ServerOperations, request: Request) -> Reply:
    """Release the queue, which is held after a restore: what waits is handed out from now on."""
    return Reply(200, operations.release(request.actor))


def remove_server_operator(operations: ServerOperations, request: Request, user: str) -> Reply:
    """Take running the server from somebody."""
    operations.remove_operator(request.actor, user)
    return Reply(204)
