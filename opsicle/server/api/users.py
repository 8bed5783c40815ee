"""The people of the org."""

from __future__ import annotations

from functools import partial

from opsicle.domain.access import Action
from opsicle.server.api.http import Page, Reply, Request, Route
from opsicle.server.api.lists import LISTING, list_reply
from opsicle.server.services.users import Users
from opsicle.wire.user_api import CreateUserRequest, UpdateUserRequest, User

_LEAVING: dict[str, type] = {"new_owner": str, "confirmed": bool}


def routes(users: Users) -> list[Route]:
    """The routes of people. `<user>` is an id or an e-mail address."""
    view, manage = Action.USERS_VIEW, Action.USERS_MANAGE
    every, one = "/api/v1/users", "/api/v1/users/<user>"
    return [
        Route("GET", every, partial(list_users, users), view, query=LISTING, reply=Page[User]),
        Route("POST", every, partial(create, users), manage, body=CreateUserRequest, reply=User, status=201),
        Route("GET", one, partial(show, users), view, reply=User),
        Route("PATCH", one, partial(update, users), manage, body=UpdateUserRequest, reply=User),
        Route("DELETE", one, partial(delete, users), manage, query=_LEAVING, status=204),
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

    Service accounts go to `new_owner`. Without one, and wherever approvals could not be given any more, it is refused
    with the code `leaves_behind` until `confirmed=true` says that this is known.
    """
    is_confirmed = request.query_bool("confirmed")
    users.delete(request.actor, user, request.query("new_owner"), is_confirmed=is_confirmed)
    return Reply(204)
