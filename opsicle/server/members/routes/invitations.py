"""Inviting people into the org, and accepting."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.routing import Access, Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.identity.routes.accounts import entered
from opsicle.server.members.invitations import Invitations
from opsicle.wire import org_api as wire
from opsicle.wire.endpoints import invitations as endpoints


def routes(invitations: Invitations) -> list[Route]:
    """Return the routes of invitations. Who is invited has not proven anything yet but the link."""
    manage, public = Action.USERS_MANAGE, Access.PUBLIC
    return [
        serve(endpoints.LIST_OPEN, invitations.list_open, manage),
        serve(endpoints.INVITE, invitations.invite, manage),
        serve(endpoints.SHOW_DELIVERY, invitations.delivery, manage),
        serve(endpoints.RENEW, invitations.renew, manage),
        serve(endpoints.REVOKE, invitations.revoke, manage),
        Route(endpoints.SHOW_OFFER, partial(show_offer, invitations), public),
        Route(endpoints.ACCEPT, partial(accept, invitations), public),
    ]


def show_offer(invitations: Invitations, request: Request) -> Reply:
    """Say what a link leads to; it stays good."""
    return Reply(200, invitations.look(request.body(wire.InvitationToken).token, request.address))


def accept(invitations: Invitations, request: Request) -> Reply:
    """Accept an invitation and begin a session, by a cookie or, for the command line, a token."""
    wanted = request.body(wire.AcceptInvitationRequest)
    return entered(
        request, invitations.accept(wanted, request.address), is_browser=wanted.kind == "browser"
    )
