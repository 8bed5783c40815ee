"""The people of the org."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.http.lists import list_reply
from opsicle.server.http.routing import Reply, Request, Route
from opsicle.server.members.users import Users
from opsicle.wire.endpoints import users as endpoints
from opsicle.wire.user_api import CreateUserRequest, UpdateUserRequest


def routes(users: Users) -> list[Route]:
    """Return the routes of people. `<user>` is an id or an e-mail address."""
    view, manage = Action.USERS_VIEW, Action.USERS_MANAGE
    return [
        Route(endpoints.LIST_USERS, partial(list_users, users), view),
        Route(endpoints.CREATE, partial(create, users), manage),
        Route(endpoints.SHOW, partial(show, users), view),
        Route(endpoints.UPDATE, partial(update, users), manage),
        Route(endpoints.DELETE, partial(delete, users), manage),
    ]


def list_users(users: Users, request: Request) -> Reply:
    """List the org's people by e-mail address."""
    return list_reply(request, users.list_users)


def create(users: Users, request: Request) -> Reply:
    """Add a person to the org."""
    return Reply(201, users.create(request.actor, request.body(CreateUserRequest)))


def show(users: Users, request: Request, user: str) -> Reply:
    """Show a person of the org, by id or e-mail address."""
    return Reply(200, users.get(request.actor, user))


def update(users: Users, request: Request, user: str) -> Reply:
    """Change a person's role, manager, name or password, or disable them."""
    return Reply(200, users.update(request.actor, user, request.body(UpdateUserRequest)))


def delete(users: Users, request: Request, user: str) -> Reply:
    """End a person's membership in the org.

    Service accounts go to `new_owner`. Without one, and wherever approvals could not be given any
    more, it is refused with the code `leaves_behind` until `confirmed=true` says that this is
    known.
    """
    is_confirmed = request.query_bool("confirmed")
    users.delete(request.actor, user, request.query("new_owner"), is_confirmed=is_confirmed)
    return Reply(204)
