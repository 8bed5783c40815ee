"""The people of the org."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.http.serving import serve
from opsicle.server.members.users import Users
from opsicle.wire.endpoints import users as endpoints


def routes(users: Users) -> list[Route]:
    """Return the routes of people. `<user>` is an id or an e-mail address."""
    view, manage = Action.USERS_VIEW, Action.USERS_MANAGE
    return [
        serve(endpoints.LIST_USERS, users.list_users, view),
        serve(endpoints.CREATE, users.create, manage),
        serve(endpoints.SHOW, users.get, view),
        serve(endpoints.UPDATE, users.update, manage),
        Route(endpoints.DELETE, partial(delete, users), manage),
    ]


def delete(users: Users, request: Request, user: str) -> Reply:
    """End a person's membership in the org.

    Service accounts go to `new_owner`. Without one, and wherever approvals could not be given any
    more, it is refused with the code `leaves_behind` until `confirmed=true` says that this is
    known.
    """
    is_confirmed = request.query_bool("confirmed")
    users.delete(request.actor, user, request.query("new_owner"), is_confirmed=is_confirmed)
    return Reply(204)
